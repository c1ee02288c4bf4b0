//! What the commands read: files, and the standard input as `-`.

use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;

use crate::output::Failure;
use crate::text::Text;

/// Far above any configuration.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The name of a file as it is shown.
pub(crate) fn name(file: &Path) -> Rc<str> {
    if is_stdin(file) { "<stdin>".into() } else { file.to_string_lossy().into() }
}

/// Reads a file as bytes.
pub(crate) fn read_bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let fail =
        |error: &dyn std::fmt::Display| Failure(format!("cannot read {}: {error}", name(file)));
    let mut bytes = vec![];
    let read = if is_stdin(file) {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) => Err(fail(&error)),
        Ok(_) if bytes.len() as u64 > MOST_BYTES => Err(fail(&"more than 16 MB")),
        Ok(_) => Ok(bytes),
    }
}

/// Reads a text with its name.
pub(crate) fn read(file: &Path) -> Result<(Rc<str>, Text), Failure> {
    let bytes = read_bytes(file)?;
    // Without a byte order mark, which some editors leave.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Failure(format!("cannot read {}: not UTF-8", name(file))))?;
    Ok((name(file), Text::of_file(text.to_owned())))
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}
