//! HTML pages as a shopper without a browser reads them: the tree, its forms, and its texts.

use std::{cell::RefCell, collections::BTreeMap};

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// An element, with what is in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Element(Element),
    Text(String),
}

/// A form, as it would be posted by the button that was named when it was looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    /// Where to.
    pub(super) action: String,
    /// Name and value, in their order.
    pub(super) fields: Vec<(String, String)>,
}

impl Form {
    /// Types into a field that is there.
    pub(super) fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let field = self.fields.iter_mut().find(|(known, _)| known == name);
        let field = field.ok_or_else(|| anyhow::anyhow!("the form has no field {name}"))?;
        value.clone_into(&mut field.1);
        Ok(())
    }
}

/// Reads a page. Elements that are not well nested are a fault of the page.
pub(super) fn read(text: &str) -> anyhow::Result<Element> {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(text));
    drop(tokenizer.feed(&queue));
    tokenizer.end();
    let mut building = tokenizer.sink.0.into_inner();
    anyhow::ensure!(building.faults.is_empty(), "{:?}: {text}", building.faults);
    anyhow::ensure!(building.open.len() == 1, "the page is not whole: {text}");
    Ok(building.open.pop().unwrap_or_default())
}

/// The elements that are open; the first holds the page.
struct Building {
    open: Vec<Element>,
    faults: Vec<String>,
}

struct Sink(RefCell<Building>);

impl Default for Sink {
    fn default() -> Self {
        Self(RefCell::new(Building {
            open: vec![Element::default()],
            faults: Vec::new(),
        }))
    }
}

const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut building = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => {
                if let Err(fault) = building.tag(&tag) {
                    building.faults.push(format!("line {line}: {fault}"));
                }
                if tag.kind == TagKind::StartTag && &*tag.name == "script" {
                    return TokenSinkResult::RawData(RawKind::ScriptData);
                }
            }
            Token::CharacterTokens(text) => {
                if let Some(open) = building.open.last_mut() {
                    open.children.push(Node::Text(text.to_string()));
                }
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Building {
    fn tag(&mut self, tag: &Tag) -> Result<(), String> {
        let attributes = tag.attrs.iter();
        let attributes = attributes.map(|one| (one.name.local.to_string(), one.value.to_string()));
        let element = Element {
            name: tag.name.to_string(),
            attributes: attributes.collect(),
            children: Vec::new(),
        };
        match tag.kind {
            TagKind::StartTag if VOID.contains(&&*tag.name) => self.close(element),
            TagKind::StartTag => self.open.push(element),
            TagKind::EndTag => {
                let closed = self.open.pop().unwrap_or_default();
                if closed.name != element.name {
                    return Err(format!("</{}> ends <{}>", element.name, closed.name));
                }
                self.close(closed);
            }
        }
        Ok(())
    }

    fn close(&mut self, element: Element) {
        if let Some(open) = self.open.last_mut() {
            open.children.push(Node::Element(element));
        }
    }
}

impl Element {
    /// An attribute; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    fn has_class(&self, class: &str) -> bool {
        self.get("class").split_whitespace().any(|own| own == class)
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All elements of this name below, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<&Self> {
        self.below(&|element| element.name == name)
    }

    /// The texts of all elements of this class below.
    pub(super) fn of_class(&self, class: &str) -> Vec<String> {
        let found = self.below(&|element| element.has_class(class));
        found.iter().map(|element| element.text()).collect()
    }

    fn below(&self, is: &dyn Fn(&Self) -> bool) -> Vec<&Self> {
        let mut found = Vec::new();
        for element in self.elements() {
            if is(element) {
                found.push(element);
            }
            found.extend(element.below(is));
        }
        found
    }

    /// Its text as it is seen: without what is for the ears only, and without labels.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn write(&self, out: &mut String) {
        for child in &self.children {
            match child {
                Node::Text(text) => out.push_str(text),
                Node::Element(element) if element.is_seen() => element.write(out),
                Node::Element(_) => {}
            }
        }
    }

    fn is_seen(&self) -> bool {
        !["unseen", "label"]
            .iter()
            .any(|class| self.has_class(class))
            && self.name != "script"
    }

    /// The form whose action ends so, with all its fields; those that stand elsewhere and name it among them.
    pub(super) fn form(&self, action_ends: &str) -> anyhow::Result<Form> {
        let forms = self.all("form");
        let mut forms = forms.iter().filter(|form| {
            form.get("method") == "post" && form.get("action").ends_with(action_ends)
        });
        let form = forms.next();
        let form = form.ok_or_else(|| anyhow::anyhow!("no form {action_ends}: {}", self.text()))?;
        let mut fields = form.fields();
        let named =
            |field: &&Self| !form.get("id").is_empty() && field.get("form") == form.get("id");
        let inputs = self.all("input");
        fields.extend(inputs.into_iter().filter(named).filter_map(Self::field));
        Ok(Form {
            action: form.get("action").to_owned(),
            fields,
        })
    }

    fn fields(&self) -> Vec<(String, String)> {
        let fields = self.below(&|element| ["input", "select"].contains(&element.name.as_str()));
        let own = fields
            .into_iter()
            .filter(|field| field.get("form").is_empty());
        own.filter_map(Self::field).collect()
    }

    fn field(&self) -> Option<(String, String)> {
        let value = if self.name == "select" {
            let options = self.all("option");
            let mut selected = options
                .iter()
                .filter(|option| option.attributes.contains_key("selected"));
            let chosen = selected.next().or_else(|| options.first());
            chosen.map(|option| option.get("value").to_owned())?
        } else {
            self.get("value").to_owned()
        };
        let name = self.get("name");
        (!name.is_empty()).then(|| (name.to_owned(), value))
    }
}
