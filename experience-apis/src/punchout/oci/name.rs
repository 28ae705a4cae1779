//! The names of form fields: which are a `NEW_ITEM`'s, and of which item. Names are without case.

/// The beginning of all item fields.
const NEW_ITEM: &str = "NEW_ITEM-";
/// An index is a number of a line; more digits are a mistake.
const MOST_DIGITS: usize = 9;

/// What a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// A field of an item; in capitals, without prefix.
    Item(String, u32),
    /// The long text of an item; `None` = it does not say of which.
    LongText(Option<u32>),
    /// Meant as a field of an item, without an index that could be read.
    Unplaced(String),
    /// Something else: a field of the call, or of the buyer's system.
    Other,
}

/// Reads a name.
pub(super) fn named(name: &str) -> Named {
    let name = name.trim();
    let Some((prefix, rest)) = name.split_at_checked(NEW_ITEM.len()) else {
        return Named::Other;
    };
    if !prefix.eq_ignore_ascii_case(NEW_ITEM) {
        return Named::Other;
    }
    let rest = rest.to_ascii_uppercase();
    if let Some(place) = rest.strip_prefix("LONGTEXT") {
        return Named::LongText(place_of_long_text(place));
    }
    let index = rest
        .split_once('[')
        .and_then(|(field, end)| Some((field, number(end.strip_suffix(']')?)?)));
    match index {
        Some((field, index)) if !field.trim().is_empty() => {
            Named::Item(field.trim().to_owned(), index)
        }
        _ => Named::Unplaced(rest),
    }
}

/// `_1:132[]` by the book; `_2:132[2]`, `:132[3]`, `[4]`, `_5:132[][5]` and `_6` by others.
fn place_of_long_text(place: &str) -> Option<u32> {
    let by_the_book = place.strip_prefix('_').map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        end.and_then(|end| rest.get(..end)).unwrap_or(rest)
    });
    let bracketed = || {
        place
            .split('[')
            .skip(1)
            .filter_map(|part| number(part.split(']').next()?))
            .next()
    };
    by_the_book.and_then(number).or_else(bracketed)
}

fn number(digits: &str) -> Option<u32> {
    let digits = digits.trim();
    let sound = (1..=MOST_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("NEW_ITEM-QUANTITY[1]", "QUANTITY", 1)]
    #[case("new_item-Quantity[0]", "QUANTITY", 0)]
    #[case(" NEW_ITEM-EXT_QUOTE_ID[ 012 ] ", "EXT_QUOTE_ID", 12)]
    fn fields_of_items_are_told(#[case] name: &str, #[case] field: &str, #[case] index: u32) {
        assert_eq!(named(name), Named::Item(field.to_owned(), index));
    }

    #[rstest]
    #[case("NEW_ITEM-LONGTEXT_1:132[]", Some(1))]
    #[case("NEW_ITEM-LONGTEXT_2:132[2]", Some(2))]
    #[case("NEW_ITEM-LONGTEXT:132[3]", Some(3))]
    #[case("NEW_ITEM-LONGTEXT[4]", Some(4))]
    #[case("NEW_ITEM-LONGTEXT_5:132[][5]", Some(5))]
    #[case("new_item-longtext_6:132", Some(6))]
    #[case("NEW_ITEM-LONGTEXT_7", Some(7))]
    #[case("NEW_ITEM-LONGTEXT_8:132[9]", Some(8))]
    #[case("NEW_ITEM-LONGTEXT:132[]", None)]
    #[case("NEW_ITEM-LONGTEXT", None)]
    fn long_texts_are_known_in_all_spellings(#[case] name: &str, #[case] index: Option<u32>) {
        assert_eq!(named(name), Named::LongText(index));
    }

    #[rstest]
    #[case("NEW_ITEM-QUANTITY")]
    #[case("NEW_ITEM-QUANTITY[]")]
    #[case("NEW_ITEM-QUANTITY[-1]")]
    #[case("NEW_ITEM-QUANTITY[1][2]")]
    #[case("NEW_ITEM-QUANTITY[4294967296000]")]
    #[case("NEW_ITEM-[1]")]
    fn an_index_that_cannot_be_read_is_not_guessed(#[case] name: &str) {
        assert!(
            matches!(named(name), Named::Unplaced(_)),
            "{:?}",
            named(name)
        );
    }

    #[rstest]
    #[case("~OkCode")]
    #[case("PO_NUMBER")]
    #[case("NEW_ITEMS-X[1]")]
    #[case("NEW_ITEMÉ")]
    #[case("")]
    fn all_else_is_no_item(#[case] name: &str) {
        assert_eq!(named(name), Named::Other);
    }
}
