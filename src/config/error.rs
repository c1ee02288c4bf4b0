//! What is wrong with a configuration, and where.

use std::cell::RefCell;
use std::fmt;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Path of the value, such as `routes[1].send.queue`; empty for the whole text.
    pub place: String,
    /// What was expected and what was found.
    pub message: String,
    /// Where it is in the text, in bytes: a key, an item of a list, or the object that lacks one.
    pub offset: usize,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.place, self.message)
        }
    }
}

/// All mistakes of one configuration, in the order of their discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The mistakes, at least one.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Something that works but that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Path of the value.
    pub place: String,
    /// What may go wrong.
    pub message: String,
    /// Where the value is in the text, in bytes.
    pub offset: usize,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Collects errors and warnings while a configuration is read.
#[derive(Default)]
pub(crate) struct Findings {
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<Warning>>,
}

impl Findings {
    pub(crate) fn error(&self, place: &str, offset: usize, message: impl Into<String>) {
        let error = ConfigError { place: place.to_owned(), message: message.into(), offset };
        self.errors.borrow_mut().push(error);
    }

    pub(crate) fn warn(&self, place: &str, offset: usize, message: impl Into<String>) {
        let warning = Warning { place: place.to_owned(), message: message.into(), offset };
        self.warnings.borrow_mut().push(warning);
    }

    /// The value with its warnings, unless there was an error.
    pub(crate) fn conclude<T>(self, value: Option<T>) -> Result<(T, Vec<Warning>), ConfigErrors> {
        let errors = self.errors.into_inner();
        match value {
            Some(value) if errors.is_empty() => Ok((value, self.warnings.into_inner())),
            _ => Err(ConfigErrors(errors)),
        }
    }
}
