//! Texts that know where in their file each of their characters stands, however deep they are
//! wrapped: JSON in a block of YAML in a ConfigMap.

/// A place in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A text with the origin of each character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    content: String,
    origins: Vec<Position>,
}

/// How a text is written where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// As it is, but for white space.
    Plain,
    /// In single quotes, which are doubled inside.
    SingleQuoted,
    /// In double quotes, with escapes.
    DoubleQuoted,
    /// After a line with `|` or `>`.
    Block,
}

impl Text {
    /// The whole text of a file.
    pub(crate) fn of_file(content: String) -> Self {
        let mut origins = Vec::with_capacity(content.len());
        let mut next = Position::START;
        for c in content.chars() {
            origins.push(next);
            next = if c == '\n' {
                Position { line: next.line + 1, column: 1 }
            } else {
                Position { column: next.column + 1, ..next }
            };
        }
        Self { content, origins }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.content
    }

    /// Adds a text that stands as a whole at one place.
    pub(crate) fn push_at(&mut self, text: &str, at: Position) {
        self.content.push_str(text);
        self.origins.extend(text.chars().map(|_| at));
    }

    /// Where the byte at an offset stands; behind the end, where the last character does.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let before = self.content.char_indices().take_while(|(index, _)| *index < offset);
        self.character(before.count())
    }

    /// Where a character stands, by its index.
    pub(crate) fn character(&self, index: usize) -> Position {
        self.origins.get(index).or(self.origins.last()).copied().unwrap_or(Position::START)
    }

    /// What is written from a character on, as its reader has decoded it. White space is not
    /// followed exactly: folding and indentation change it, and nothing that is looked for begins
    /// with it.
    pub(crate) fn decoded(&self, chars: &[char], start: usize, decoded: &str, w: Writing) -> Text {
        let mut units = Units { chars, next: start, writing: w };
        units.open();
        let mut last = self.character(units.next);
        let mut lost = false;
        let mut origins = Vec::with_capacity(decoded.len());
        for c in decoded.chars() {
            if !c.is_whitespace() && !lost {
                match units.find(c) {
                    Some(index) => last = self.character(index),
                    None => lost = true,
                }
            }
            origins.push(last);
        }
        Self { content: decoded.to_owned(), origins }
    }
}

/// The characters that a written text stands for, one after the other.
struct Units<'a> {
    chars: &'a [char],
    next: usize,
    writing: Writing,
}

impl Units<'_> {
    /// Skips what comes before the first character.
    fn open(&mut self) {
        match self.writing {
            Writing::Plain => {}
            Writing::SingleQuoted | Writing::DoubleQuoted => self.next += 1,
            Writing::Block => {
                if matches!(self.chars.get(self.next), Some('|' | '>')) {
                    let rest = self.chars.get(self.next..).unwrap_or_default();
                    self.next += rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
                }
            }
        }
    }

    /// Where the next character other than white space stands, if it is this one.
    fn find(&mut self, wanted: char) -> Option<usize> {
        loop {
            let start = self.next;
            match self.unit()? {
                Some(c) if c == wanted => return Some(start),
                Some(c) if !c.is_whitespace() => return None,
                _ => {}
            }
        }
    }

    /// The next character that is meant; `Some(None)` for a line that goes on.
    fn unit(&mut self) -> Option<Option<char>> {
        let c = *self.chars.get(self.next)?;
        self.next += 1;
        match (self.writing, c) {
            (Writing::SingleQuoted, '\'') => {
                self.next += 1;
                Some(Some('\''))
            }
            (Writing::DoubleQuoted, '\\') => {
                let escape = *self.chars.get(self.next)?;
                self.next += 1;
                Some(match escape {
                    'n' | 'r' | 't' | 'v' | 'f' | '_' | 'N' | 'L' | 'P' => Some(' '),
                    'b' => Some('\u{8}'),
                    'x' => self.hex(2),
                    'u' => self.hex(4),
                    'U' => self.hex(8),
                    '\n' => None,
                    other => Some(other),
                })
            }
            _ => Some(Some(c)),
        }
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let text: String = self.chars.get(self.next..self.next + digits)?.iter().collect();
        self.next += digits;
        u32::from_str_radix(&text, 16).ok().and_then(char::from_u32)
    }
}
