//! Reading: one pass over the events of a well-kept reader, with what that reader leaves to its caller: bounds, names,
//! characters, references, and no document type beyond its name.

use std::ops::Range;

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    Element, Node, XmlError,
    chars::{is_allowed, is_name},
    decode::decode,
};

/// Elements inside each other.
pub const MAX_DEPTH: usize = 64;
/// Elements, comments and instructions in one document; 5,000 lines with their accounting have 175,000. Of texts there
/// can be two to an element.
pub const MAX_NODES: usize = 200_000;
/// Attributes of one element, and of one document: each takes many times the memory of its text.
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTES_IN_ALL: usize = 400_000;
const MAX_ATTRIBUTE: usize = 32 * 1024;
const MAX_NAME: usize = 256;
/// Characters of the reader's own words that are passed on: they quote the document.
const MAX_WORDS: usize = 200;
/// The element whose contents are never kept.
const SECRET: &str = "SharedSecret";

/// A document read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its only element.
    pub root: Element,
    /// The document type it declares.
    pub doctype: Option<Doctype>,
    /// The document as UTF-8 with every secret blanked: the form that may be kept.
    pub without_secrets: String,
}

/// A document type declaration: kept as text, and never looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doctype {
    /// The name of the root element.
    pub name: String,
    /// Where the sender says that the declaration lies.
    pub system: Option<String>,
}

/// Reads a document of at most so many bytes; `charset` is what the transport said of it, if anything.
pub fn read(bytes: &[u8], most: usize, charset: Option<&str>) -> Result<Document, XmlError> {
    if bytes.len() > most {
        return Err(XmlError {
            line: 1,
            column: 1,
            message: format!("the document is longer than {most} bytes: send a shorter one"),
            too_large: true,
        });
    }
    let text = decode(bytes, charset)?;
    let reading = Reading::new(&text);
    if let Some((at, _)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        return Err(reading.fault_at(at, "XML has no such character: take it out"));
    }
    reading.run()
}

/// Reads the contents of an element, such as `inner_xml` writes them.
pub fn fragment(inner: &str) -> Result<Vec<Node>, XmlError> {
    let whole = format!("<x>{inner}</x>");
    read(whole.as_bytes(), whole.len(), None).map(|document| document.root.children)
}

/// What has been read so far.
struct Reading<'t> {
    text: &'t str,
    open: Vec<Element>,
    root: Option<Element>,
    doctype: Option<Doctype>,
    nodes: usize,
    attributes: usize,
    /// Where the event being read begins.
    at: usize,
    secrets: Vec<Range<usize>>,
    /// How deep the secret being read lies, and where its contents begin.
    secret_from: Option<(usize, usize)>,
}

impl<'t> Reading<'t> {
    const fn new(text: &'t str) -> Self {
        Self {
            text,
            open: Vec::new(),
            root: None,
            doctype: None,
            nodes: 0,
            attributes: 0,
            at: 0,
            secrets: Vec::new(),
            secret_from: None,
        }
    }

    fn run(mut self) -> Result<Document, XmlError> {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        loop {
            self.at = position(reader.buffer_position());
            let event = reader.read_event().map_err(|error| {
                let words: String = error.to_string().chars().take(MAX_WORDS).collect();
                let at = position(reader.error_position());
                self.fault_at(at, &format!("the document is not well-formed: {words}"))
            })?;
            let end = position(reader.buffer_position());
            match event {
                Event::Eof => return self.finish(),
                event => self.take(event, end)?,
            }
        }
    }

    fn take(&mut self, event: Event<'_>, end: usize) -> Result<(), XmlError> {
        match event {
            Event::Start(start) => {
                let element = self.element(&start)?;
                if element.name == SECRET && self.secret_from.is_none() {
                    self.secret_from = Some((self.open.len(), end));
                }
                self.open.push(element);
            }
            Event::Empty(start) => {
                let element = self.element(&start)?;
                self.close(element);
            }
            Event::End(_) => {
                if let Some(element) = self.open.pop() {
                    let depth = self.open.len();
                    if let Some((_, from)) = self.secret_from.take_if(|(of, _)| *of == depth) {
                        self.secrets.push(from..self.at);
                    }
                    self.close(element);
                }
            }
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err(self.fault("`]]>` stands outside a CDATA section: write `]]&gt;`"));
                }
                self.text(&text.xml10_content())?;
            }
            Event::CData(text) => self.character_data(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let c = self.resolve(&reference)?;
                self.character_data(c.encode_utf8(&mut [0; 4]))?;
            }
            Event::Decl(declaration) => {
                let version = declaration.version().map_err(|_unreadable| {
                    self.fault("the XML declaration cannot be read: begin with <?xml version=\"1.0\" encoding=\"UTF-8\"?>")
                })?;
                if self.at != 0 || version != "1.0" {
                    return Err(self.fault(
                        "only one XML declaration is taken, of version 1.0, at the very beginning",
                    ));
                }
            }
            Event::DocType(text) => self.document_type(text.trim())?,
            Event::Comment(_) | Event::PI(_) => self.count()?,
            Event::Eof => {}
        }
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Element, XmlError> {
        self.count()?;
        if self.root.is_some() {
            return Err(self.fault("there is a second root element: send one document at a time"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fault(&format!(
                "elements stand more than {MAX_DEPTH} deep inside each other"
            )));
        }
        let mut element = Element::new(self.name(start.name().into_inner())?);
        element.verbatim = true;
        // Their number is bounded here before they are compared with each other.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| {
                let words: String = error.to_string().chars().take(MAX_WORDS).collect();
                self.fault(&format!("an attribute is not well-formed: {words}"))
            })?;
            let name = self.name(attribute.key.into_inner())?;
            if element.attribute(name).is_some() {
                return Err(self.fault(&format!("attribute {name} stands here twice")));
            }
            if element.attributes.len() >= MAX_ATTRIBUTES {
                return Err(self.fault(&format!(
                    "an element has more than {MAX_ATTRIBUTES} attributes"
                )));
            }
            self.attributes = self.attributes.saturating_add(1);
            if self.attributes > MAX_ATTRIBUTES_IN_ALL {
                return Err(self.too_large(&format!(
                    "the document has more than {MAX_ATTRIBUTES_IN_ALL} attributes: send it in several"
                )));
            }
            if attribute.value.len() > MAX_ATTRIBUTE {
                return Err(self.too_large(&format!(
                    "the value of attribute {name} is longer than {MAX_ATTRIBUTE} bytes"
                )));
            }
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .ok()
                .filter(|value| !attribute.value.contains('<') && value.chars().all(is_allowed));
            let value = value.ok_or_else(|| {
                self.fault(&format!("the value of attribute {name} is not well-formed: write < as &lt; and & as &amp;, and no other entities"))
            })?;
            element
                .attributes
                .push((name.to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    fn name<'n>(&self, name: &'n str) -> Result<&'n str, XmlError> {
        if name.len() > MAX_NAME {
            return Err(self.fault(&format!("a name is longer than {MAX_NAME} bytes")));
        }
        if is_name(name) {
            Ok(name)
        } else {
            Err(self.fault("this is no name that XML takes"))
        }
    }

    fn close(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    /// Text, which may also be the blanks around the root.
    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let blank = text
            .bytes()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        if self.open.is_empty() && blank {
            Ok(())
        } else {
            self.character_data(text)
        }
    }

    fn character_data(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(parent) = self.open.last_mut() else {
            return Err(self.fault("text stands outside the root element: take it out"));
        };
        if let Some(Node::Text(before)) = parent.children.last_mut() {
            before.push_str(text);
            return Ok(());
        }
        parent.children.push(Node::Text(text.to_owned()));
        Ok(())
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, XmlError> {
        let character = reference.resolve_char_ref().ok().flatten();
        let named = || {
            resolve_predefined_entity(reference)
                .and_then(|text| text.chars().next())
                .filter(|_| !reference.is_char_ref())
        };
        character
            .or_else(named)
            .filter(|c| is_allowed(*c))
            .ok_or_else(|| {
                self.fault("this reference is not taken: only &lt; &gt; &amp; &apos; &quot; and references to characters that XML has")
            })
    }

    fn document_type(&mut self, text: &str) -> Result<(), XmlError> {
        let upper = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with("<!DOCTYPE"));
        if !upper || self.doctype.is_some() || self.root.is_some() || !self.open.is_empty() {
            return Err(self.fault("only one DOCTYPE is taken, before the root element"));
        }
        let doctype = doctype(text).filter(|doctype| is_name(&doctype.name));
        self.doctype = Some(doctype.ok_or_else(|| {
            self.fault(
                "only <!DOCTYPE cXML SYSTEM \"…\"> is taken: no declarations of your own inside it",
            )
        })?);
        Ok(())
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > MAX_NODES {
            return Err(self.too_large(&format!(
                "the document has more than {MAX_NODES} parts: send it in several"
            )));
        }
        Ok(())
    }

    fn finish(self) -> Result<Document, XmlError> {
        if let Some(open) = self.open.last() {
            return Err(self.fault(&format!(
                "the document ends before element {} is closed",
                open.name
            )));
        }
        let mut without_secrets = String::with_capacity(self.text.len());
        let mut from = 0;
        for secret in &self.secrets {
            without_secrets.push_str(self.text.get(from..secret.start).unwrap_or_default());
            from = secret.end;
        }
        without_secrets.push_str(self.text.get(from..).unwrap_or_default());
        match self.root {
            Some(root) => Ok(Document {
                root,
                doctype: self.doctype,
                without_secrets,
            }),
            None => Err(self.fault("there is no element: send a cXML document")),
        }
    }

    fn fault(&self, message: &str) -> XmlError {
        self.fault_at(self.at, message)
    }

    fn too_large(&self, message: &str) -> XmlError {
        XmlError {
            too_large: true,
            ..self.fault(message)
        }
    }

    fn fault_at(&self, at: usize, message: &str) -> XmlError {
        // What is said is logged, and may quote the document.
        let message = match self.secret_from {
            Some(_) => "SharedSecret is not well-formed: write < as &lt; and & as &amp;",
            None => message,
        };
        let bytes = self.text.as_bytes();
        let before = bytes.get(..at.min(bytes.len())).unwrap_or_default();
        let of_line = before.rsplit(|byte| *byte == b'\n').next();
        // Continuation bytes of UTF-8 are no characters.
        let characters = of_line
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte & 0xC0 != 0x80);
        XmlError {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: characters.count() + 1,
            message: message.to_owned(),
            too_large: false,
        }
    }
}

/// `name`, `name SYSTEM "…"` or `name PUBLIC "…" "…"`, and nothing else.
fn doctype(text: &str) -> Option<Doctype> {
    let end = text.find([' ', '\t', '\r', '\n']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let rest = rest.trim();
    let (literals, rest) = match rest.split_at_checked(6) {
        None if rest.is_empty() => (0, ""),
        Some(("SYSTEM", rest)) => (1, rest),
        Some(("PUBLIC", rest)) => (2, rest),
        _ => return None,
    };
    let mut rest = rest;
    let mut system = None;
    for _ in 0..literals {
        let quoted = rest.trim_start();
        let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (literal, after) = quoted.get(1..)?.split_once(quote)?;
        system = Some(literal.to_owned());
        rest = after;
    }
    rest.trim().is_empty().then(|| Doctype {
        name: name.to_owned(),
        system,
    })
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
