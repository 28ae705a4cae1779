//! XML as cXML needs it: a small tree, read within bounds and written back.
//!
//! Names are kept as they are written, prefix and all: cXML has no namespaces of its own.

mod chars;
mod decode;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use chars::is_visible;
pub use read::{Doctype, Document, MAX_DEPTH, MAX_NODES, fragment, read};
pub use write::{Characters, document, inner_xml};

/// An element, with all it contains.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes in the order written, each name once.
    pub attributes: Vec<(String, String)>,
    /// Its contents in the order written.
    pub children: Vec<Node>,
    /// Whether it is written exactly as it is, without line breaks for the eye.
    verbatim: bool,
}

/// Part of an element's contents.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, with all references resolved.
    Text(String),
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct XmlError {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether it is only larger than this service takes.
    pub too_large: bool,
}

impl Element {
    /// An empty element.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            attributes: Vec::new(),
            children: Vec::new(),
            verbatim: false,
        }
    }

    /// With an attribute more.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.to_owned(), value.into()));
        self
    }

    /// With an attribute more, if there is a value.
    pub fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With text behind what it contains.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// With an element behind what it contains.
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// With elements behind what it contains.
    pub fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children
            .extend(children.into_iter().map(Node::Element));
        self
    }

    /// With these contents, written exactly as they are.
    pub fn verbatim(mut self, nodes: Vec<Node>) -> Self {
        self.children = nodes;
        self.verbatim = true;
        self
    }

    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The elements directly inside it.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The elements of a name directly inside it.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.elements().filter(move |element| element.name == name)
    }

    /// The first element of a name directly inside it.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a Self> {
        self.named(name).next()
    }

    /// The element reached by these names, each the first of its name.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| {
            element
                .elements()
                .find(|candidate| candidate.name.as_str() == *name)
        })
    }

    /// The text directly inside it, without blanks at either end.
    pub fn own_text(&self) -> String {
        let texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        texts.collect::<String>().trim().to_owned()
    }
}

/// Names alone: what is inside may be a secret.
impl std::fmt::Debug for Element {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "<{}>…", self.name)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Element(element) => element.fmt(out),
            Self::Text(text) => write!(out, "text of {} bytes", text.len()),
        }
    }
}
