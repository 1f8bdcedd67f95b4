//! How the objects of [`json::members!`](crate::plain::json) are read: by one function for all of them. Derived, it would be the same
//! code once for each of some sixty objects, and the function has a budget for its size.

use crate::plain::checked::Checked;

/// The most names of one object: each has a bit.
pub(crate) const MOST: usize = 64;

/// An object of which some members are of interest.
pub(crate) trait Object<'a>: Default {
    /// What they are called.
    const NAMES: &'static [&'static str];

    /// Takes them out of a value; `false` if that is not possible, see [`fill`].
    fn fill(&mut self, json: Checked<'a>) -> bool;
}

/// Puts each member of an object that is named in `names` into the slot of the same index; `null` is left out. Gives `false` if a
/// name stands in the object twice, or one is not Unicode.
pub(crate) fn fill<'a>(json: Checked<'a>, names: &[&str], slots: &mut [&mut Option<Checked<'a>>]) -> bool {
    // One bit for each name: a member that is `null` fills no slot and must not stand there twice either.
    let mut seen: u64 = 0;
    for (name, value) in json.members() {
        let Some(name) = name else { return false };
        let Some(index) = names.iter().position(|known| *known == name) else { continue };
        if seen & (1 << index) != 0 {
            return false;
        }
        seen |= 1 << index;
        if let Some(slot) = slots.get_mut(index) {
            **slot = Some(value).filter(|value| value.get() != "null");
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::plain::json;

    json::members! {
        #[derive(Debug)]
        struct Pair {
            one = "one",
            two = "t w o",
        }
    }

    fn read(text: &str) -> Result<(Option<&str>, Option<&str>), String> {
        let pair = json::object_in::<Pair<'_>>(text, "here")?;
        Ok((pair.one.map(|raw| raw.get()), pair.two.map(|raw| raw.get())))
    }

    #[test]
    fn members_are_found_by_name_whatever_stands_beside_them() {
        assert_eq!(
            read(r#"{"x": [1, {"one": 2}], "t w o": {"a": "b"}, "\u006fne": 1e999}"#),
            Ok((Some("1e999"), Some(r#"{"a": "b"}"#)))
        );
        assert_eq!(read(r#"{"One": 1, "one": null}"#), Ok((None, None)));
        assert_eq!(read("{}"), Ok((None, None)));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_an_error_and_others_may() {
        assert!(
            read(r#"{"one": 1, "one": 1}"#).unwrap_err().starts_with("here: duplicate field `one` at line 1")
        );
        assert!(read(r#"{"t w o": null, "t w o": 2}"#).unwrap_err().contains("duplicate field `t w o`"));
        assert_eq!(read(r#"{"x": 1, "x": 2, "one": 3}"#), Ok((Some("3"), None)));
    }
}
