//! Configured texts. `${` is reserved for expressions and `$${` writes a literal `${`.

use std::fmt;

/// A configured text, ready to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Reads a configured text.
    ///
    /// # Errors
    /// When the text holds an expression: this version has none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut literal = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, after) = rest.split_at(at);
            let Some(before) = before.strip_suffix('$') else {
                return Err(TemplateError { offset: text.len() - after.len() });
            };
            literal.push_str(before);
            literal.push_str("${");
            rest = after.get(2..).unwrap_or_default();
        }
        literal.push_str(rest);
        Ok(Self(literal))
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Where the expression starts, in bytes from the start of the text.
    pub offset: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`${{` at offset {} starts an expression, and this version has none yet; \
             write `$${{` for the two characters themselves",
            self.offset
        )
    }
}

impl std::error::Error for TemplateError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubled_dollar_writes_the_two_characters() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("$5 {a}", "$5 {a}"),
            ("$${a}", "${a}"),
            ("a$${b}$${c}", "a${b}${c}"),
            ("$$", "$$"),
            ("$$${", "$${"),
        ];
        for (text, literal) in cases {
            assert_eq!(Template::parse(text).unwrap().as_str(), literal, "{text}");
        }
    }

    #[test]
    fn an_expression_is_refused_with_its_offset() {
        for (text, offset) in [("${a}", 0), ("id-${a}", 3), ("$${a}${b}", 5), ("é${", 2)] {
            assert_eq!(Template::parse(text), Err(TemplateError { offset }), "{text}");
        }
        assert_eq!(
            TemplateError { offset: 3 }.to_string(),
            "`${` at offset 3 starts an expression, and this version has none yet; \
             write `$${` for the two characters themselves"
        );
    }
}
