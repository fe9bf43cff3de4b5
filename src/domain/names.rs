//! Names of organizations, environments, users, products, models and operations: validated once, at the door.

/// The longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 128;

/// The organization and the environment of requests that name none.
pub const DEFAULT: &str = "default";

/// Why a text is no name. Says what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No text at all, where one is needed.
    #[error("is empty; give 1 to 128 bytes of UTF-8")]
    Empty,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("is {0} bytes long; at most 128 are allowed")]
    TooLong(usize),
    /// Holds a control character.
    #[error("holds the control character U+{0:04X}; remove it")]
    Control(u32),
    /// Begins or ends with white space.
    #[error("begins or ends with a blank; trim it")]
    Blank,
}

/// A valid name: 1 to 128 bytes of UTF-8 without control characters or surrounding blanks.
///
/// People's ids look like `auth0|12` and `a+b@x.org`, so nothing else is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// The name of organizations and environments that requests leave out: `default`.
    pub const DEFAULT: Name<'static> = Name(DEFAULT);

    /// Checks a text.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong(text.len()));
        }
        // Most names need no closer look.
        if is_graphic(text.as_bytes()) {
            return Ok(Self(text));
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(NameError::Control(control.into()));
        }
        if text.trim().len() != text.len() {
            return Err(NameError::Blank);
        }
        Ok(Self(text))
    }

    /// Checks a text in which empty means "none".
    pub fn parse_optional(text: &'a str) -> Result<Option<Self>, NameError> {
        if text.is_empty() {
            Ok(None)
        } else {
            Self::parse(text).map(Some)
        }
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Whether there is nothing but visible ASCII. Eight at a time without a branch: every request has several names.
#[inline]
fn is_graphic(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    let are_graphic =
        |bytes: &[u8; 8]| bytes.iter().fold(true, |is, it| is & it.is_ascii_graphic());
    eights.iter().all(are_graphic) && rest.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_that_is_not_visible_is_found_wherever_it_stands() {
        for length in 1..=24 {
            let text = vec![b'x'; length];
            assert!(is_graphic(&text), "{length}");
            for at in 0..length {
                for other in [b' ', 0, 0x7f, 0x80, 0xff] {
                    let mut text = text.clone();
                    text[at] = other;
                    assert!(!is_graphic(&text), "{other} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn names_are_short_printable_and_trimmed() {
        let long = "x".repeat(129);
        for (text, expected) in [
            ("auth0|12", Ok(())),
            ("a+b@x.org", Ok(())),
            ("Zoë Müller", Ok(())),
            (&long[1..], Ok(())),
            ("", Err(NameError::Empty)),
            (&long[..], Err(NameError::TooLong(129))),
            ("a\nb", Err(NameError::Control(10))),
            (" a", Err(NameError::Blank)),
            ("a\u{3000}", Err(NameError::Blank)),
        ] {
            assert_eq!(Name::parse(text).map(|_| ()), expected, "{text:?}");
        }
    }
}
