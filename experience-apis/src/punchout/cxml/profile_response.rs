//! `ProfileResponse`: which requests are taken here, and where.

use super::{
    outgoing::{Outgoing, instant},
    xml::Element,
};

/// The answer to a `ProfileRequest`; every request is taken at the one address.
pub fn response(outgoing: &Outgoing, url: &str, attachments: bool) -> String {
    let attachments = if attachments { "yes" } else { "no" };
    let transactions = [
        ("ProfileRequest", Vec::new()),
        (
            "PunchOutSetupRequest",
            vec![("operationAllowed", "create edit inspect")],
        ),
        (
            "OrderRequest",
            vec![("attachments", attachments), ("changes", "yes")],
        ),
    ];
    let transactions = transactions.into_iter().map(|(name, options)| {
        let options = options
            .into_iter()
            .map(|(name, value)| Element::new("Option").with("name", name).text(value));
        Element::new("Transaction")
            .with("requestName", name)
            .child(Element::new("URL").text(url))
            .children(options)
    });
    let profile = Element::new("ProfileResponse").with("effectiveDate", instant(outgoing.at));
    outgoing.response_with(profile.children(transactions))
}
