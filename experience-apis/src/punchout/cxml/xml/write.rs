//! Writing: everything escaped, line breaks only where they change nothing.

use super::{Element, Node, chars::is_allowed};

/// Which characters are written as themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters {
    /// All.
    Unicode,
    /// Those of US-ASCII; the others as numeric references. For what a browser posts.
    Ascii,
}

/// A whole document: declaration, document type, root.
pub fn document(root: &Element, dtd: Option<&str>, characters: Characters) -> String {
    let mut out = Writing {
        text: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
        characters,
    };
    if let Some(dtd) = dtd {
        out.text.push_str("<!DOCTYPE ");
        out.text.push_str(&root.name);
        out.text.push_str(" SYSTEM \"");
        out.escaped(dtd, true);
        out.text.push_str("\">\n");
    }
    out.element(root, Some(0));
    out.text.push('\n');
    out.text
}

/// What an element contains, such that reading it gives the same contents.
pub fn inner_xml(element: &Element) -> String {
    let mut out = Writing {
        text: String::new(),
        characters: Characters::Unicode,
    };
    for node in &element.children {
        out.node(node);
    }
    out.text
}

struct Writing {
    text: String,
    characters: Characters,
}

impl Writing {
    /// `depth` is `None` where no blank may be added.
    fn element(&mut self, element: &Element, depth: Option<usize>) {
        self.text.push('<');
        self.text.push_str(&element.name);
        for (name, value) in &element.attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(value, true);
            self.text.push('"');
        }
        if element.children.is_empty() {
            self.text.push_str("/>");
            return;
        }
        self.text.push('>');
        let only_elements = element
            .children
            .iter()
            .all(|node| matches!(node, Node::Element(_)));
        let depth = depth.filter(|_| only_elements && !element.verbatim);
        for node in &element.children {
            match (node, depth) {
                (Node::Element(child), Some(depth)) => {
                    self.line(depth + 1);
                    self.element(child, Some(depth + 1));
                }
                (node, _) => self.node(node),
            }
        }
        if let Some(depth) = depth {
            self.line(depth);
        }
        self.text.push_str("</");
        self.text.push_str(&element.name);
        self.text.push('>');
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Element(element) => self.element(element, None),
            Node::Text(text) => self.escaped(text, false),
        }
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    fn escaped(&mut self, text: &str, attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' if attribute => self.text.push_str("&quot;"),
                // A reader would take these for other blanks.
                '\r' => self.reference(c),
                '\t' | '\n' if attribute => self.reference(c),
                c if !is_allowed(c) => self.character('\u{FFFD}'),
                c => self.character(c),
            }
        }
    }

    fn character(&mut self, c: char) {
        if self.characters == Characters::Ascii && !c.is_ascii() {
            self.reference(c);
        } else {
            self.text.push(c);
        }
    }

    fn reference(&mut self, c: char) {
        self.text.push_str("&#");
        self.text.push_str(&u32::from(c).to_string());
        self.text.push(';');
    }
}
