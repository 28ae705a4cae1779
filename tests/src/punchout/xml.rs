//! Reading of XML with a library that the product does not use.

use roxmltree::{Document, Node, ParsingOptions};

/// The tree of a document; a DOCTYPE is read over, and nothing is fetched.
pub(super) fn tree(document: &str) -> anyhow::Result<Document<'_>> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(document, options)
        .map_err(|error| anyhow::anyhow!("{error}: {document}"))
}

/// The first element of this name below.
pub(super) fn first<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.descendants().find(|node| node.has_tag_name(name))
}

/// The first child of this name.
pub(super) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|node| node.has_tag_name(name))
}

/// The text of the first element of this name below; empty where there is none.
pub(super) fn text(node: Node<'_, '_>, name: &str) -> String {
    let found = first(node, name);
    let texts = found.into_iter().flat_map(|node| node.descendants());
    let texts = texts.filter(|node| node.is_text());
    texts.filter_map(|node| node.text()).collect()
}

/// The first Money below, and its currency.
pub(super) fn money(node: Node<'_, '_>) -> (String, String) {
    let currency = first(node, "Money").and_then(|money| money.attribute("currency"));
    (text(node, "Money"), currency.unwrap_or_default().to_owned())
}

/// An attribute; empty where there is none.
pub(super) fn attribute(node: Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}
