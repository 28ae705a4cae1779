//! Which types of event a subscriber asked for: words, full names, and `order.*`.

use canonical_model::public_event::PublicEventType;

/// The types that a pattern stands for; none if it is no pattern of ours.
fn matching(pattern: &str) -> Vec<PublicEventType> {
    if let Ok(one) = pattern.parse() {
        return vec![one];
    }
    let all = PublicEventType::ALL.iter().copied();
    match pattern.strip_suffix('*') {
        Some("") => all.collect(),
        Some(prefix) if prefix.ends_with('.') => {
            let prefix = prefix.strip_prefix("com.orderway.").unwrap_or(prefix);
            all.filter(|one| one.word().starts_with(prefix)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Whether a pattern stands for any type there is.
pub(super) fn is_known(pattern: &str) -> bool {
    !matching(pattern).is_empty()
}

/// The types that patterns stand for; empty = all, as without patterns.
pub(super) fn wanted(patterns: &[String]) -> Vec<PublicEventType> {
    let mut wanted: Vec<_> = patterns.iter().flat_map(|one| matching(one)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() == PublicEventType::ALL.len() {
        wanted.clear();
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_words_names_and_prefixes() {
        let wanted = |patterns: &[&str]| {
            let patterns: Vec<_> = patterns.iter().map(|one| (*one).to_owned()).collect();
            super::wanted(&patterns)
        };
        assert_eq!(wanted(&[]), []);
        assert_eq!(wanted(&["*"]), [], "all is no filter");
        assert_eq!(wanted(&["order.*"]), []);
        let two = [PublicEventType::Accepted, PublicEventType::Shipped];
        assert_eq!(
            wanted(&[
                "order.shipped",
                "com.orderway.order.accepted.v1",
                "order.shipped"
            ]),
            two
        );
        for unknown in [
            "",
            "order",
            "order*",
            "order.ship*",
            "quote.*",
            "order.painted",
            "*.*",
        ] {
            assert!(!is_known(unknown), "{unknown}");
        }
    }
}
