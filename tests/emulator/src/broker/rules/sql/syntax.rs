//! Text as sqlparser reads it, with the few words of the grammar that are not of SQL itself.

mod build;

use sqlparser::ast::{Expr, Ident, ObjectName, UnaryOperator};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::action::Statement;
use super::expression::Predicate;
use super::{LONGEST, SqlError};

/// Reads a filter.
pub(super) fn predicate(text: &str) -> Result<Predicate, SqlError> {
    let mut parser = parser(text)?;
    let expression = parser.parse_expr()?;
    end(&mut parser)?;
    build::predicate(&expression)
}

/// Reads the statements of an action. Between two a semicolon, a comma or nothing.
pub(super) fn statements(text: &str) -> Result<Vec<Statement>, SqlError> {
    let mut parser = parser(text)?;
    let mut statements = Vec::new();
    loop {
        statements.push(statement(&mut parser)?);
        let comma = parser.consume_token(&Token::Comma);
        let _optional = !comma && parser.consume_token(&Token::SemiColon);
        if !comma && parser.peek_token().token == Token::EOF {
            return Ok(statements);
        }
    }
}

fn statement(parser: &mut Parser<'_>) -> Result<Statement, SqlError> {
    let first = parser.next_token();
    if is_word(&first.token, "SET") {
        let property = build::property(&property(parser)?)?;
        parser.expect_token(&Token::Eq)?;
        let value = parser.parse_subexpr(Rules.prec_value(Precedence::PlusMinus) - 1)?;
        return Ok(Statement::Set(property, build::expression(&value)?));
    }
    if is_word(&first.token, "REMOVE") {
        let name = property(parser)?;
        return build::removable(&name).map(Statement::Remove);
    }
    Ok(parser.expected("SET or REMOVE", first)?)
}

fn end(parser: &mut Parser<'_>) -> Result<(), SqlError> {
    let rest = parser.next_token();
    if rest.token == Token::EOF { Ok(()) } else { Ok(parser.expected("an operator", rest)?) }
}

fn parser(text: &str) -> Result<Parser<'static>, SqlError> {
    let length = text.chars().count();
    if length > LONGEST {
        return Err(SqlError::new(format!(
            "at most {LONGEST} characters are allowed, not {length}"
        )));
    }
    let tokens = Tokenizer::new(&Rules, text)
        .tokenize_with_location()
        .map_err(|error| SqlError::new(error.to_string()))?;
    let is_comment = |token: &&TokenWithSpan| {
        matches!(
            token.token,
            Token::Whitespace(
                Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)
            )
        )
    };
    if let Some(comment) = tokens.iter().find(is_comment) {
        return Err(SqlError::new(format!("a comment is not expected{}", comment.span.start)));
    }
    Ok(Parser::new(&Rules).with_tokens_with_locations(tokens))
}

/// What SQL means in a rule: few reserved words, names in brackets or double quotes.
#[derive(Debug)]
struct Rules;

impl Dialect for Rules {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic()
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_alphanumeric() || character == '_'
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        matches!(character, '[' | '"')
    }

    /// A word means a property or one of the grammar's functions, whatever it means in SQL.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let next = parser.peek_token();
        match next.token {
            Token::AtSign => Some(Err(ParserError::ParserError(format!(
                "parameters such as @name are not supported by this emulator{}",
                next.span.start
            )))),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::TRUE | Keyword::FALSE | Keyword::NULL => None,
                Keyword::NOT => Some(not(parser)),
                _ => Some(name(parser)),
            },
            Token::Word(_) => Some(name(parser)),
            _ => None,
        }
    }
}

fn not(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.next_token();
    let expr = Box::new(parser.parse_subexpr(Rules.prec_value(Precedence::UnaryNot))?);
    Ok(Expr::UnaryOp { op: UnaryOperator::Not, expr })
}

/// A property, or a function with its arguments.
fn name(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    let property = property(parser)?;
    match property.as_slice() {
        [function] if parser.peek_token().token == Token::LParen => {
            parser.parse_function(ObjectName::from(vec![function.clone()]))
        }
        _ => Ok(Expr::CompoundIdentifier(property)),
    }
}

/// Names joined by points.
fn property(parser: &mut Parser<'_>) -> Result<Vec<Ident>, ParserError> {
    let mut names = vec![identifier(parser)?];
    while parser.consume_token(&Token::Period) {
        names.push(identifier(parser)?);
    }
    Ok(names)
}

fn identifier(parser: &mut Parser<'_>) -> Result<Ident, ParserError> {
    let next = parser.next_token();
    match &next.token {
        Token::Word(word) => Ok(word.clone().into_ident(next.span)),
        _ => parser.expected("the name of a property", next),
    }
}

fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

impl From<ParserError> for SqlError {
    fn from(error: ParserError) -> Self {
        Self(match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        })
    }
}
