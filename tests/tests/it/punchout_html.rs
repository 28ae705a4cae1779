//! Pages as a browser's tokenizer reads them: every element with its attributes, what they post, and what is hostile.

use std::cell::RefCell;

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// An element's start.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    /// Of which form it is, counted from 1; 0 = of none.
    form: usize,
}

/// A page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) tags: Vec<Tag>,
    /// All text, that of scripts too.
    pub(crate) text: String,
    forms: usize,
    /// The form that is open.
    open: usize,
}

impl Tag {
    /// An attribute; empty where there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
        let queue = BufferQueue::default();
        queue.push_back(StrTendril::from(text));
        // The sink stops for nothing, so it is all read at once.
        drop(tokenizer.feed(&queue));
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }

    /// The first form that is posted.
    fn posted(&self) -> Option<&Tag> {
        let mut forms = self.tags.iter().filter(|tag| tag.name == "form");
        forms.find(|form| form.get("method").eq_ignore_ascii_case("post"))
    }

    /// What it posts: name and value of every field that has a name.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let form = self.posted().map_or(usize::MAX, |form| form.form);
        let inputs = self
            .tags
            .iter()
            .filter(|tag| tag.name == "input" && tag.form == form);
        let named = inputs.filter(|input| !input.get("name").is_empty());
        named
            .map(|input| (input.get("name").to_owned(), input.get("value").to_owned()))
            .collect()
    }

    /// Where it goes; empty where there is none.
    pub(crate) fn action(&self) -> &str {
        self.posted()
            .map(|form| form.get("action"))
            .unwrap_or_default()
    }

    /// What a page of ours never holds, whatever was typed: elements that fetch or run something, handlers, addresses
    /// with another scheme than that of the web.
    pub(crate) fn hostile(&self) -> Vec<String> {
        let mut found = Vec::new();
        for tag in &self.tags {
            if [
                "img", "svg", "iframe", "object", "embed", "base", "math", "video", "audio",
            ]
            .contains(&tag.name.as_str())
            {
                found.push(format!("<{}>", tag.name));
            }
            if tag.name == "script"
                && !tag.get("src").is_empty()
                && !tag.get("src").starts_with("/punchout/assets/")
            {
                found.push(format!("script from {}", tag.get("src")));
            }
            for (name, value) in &tag.attributes {
                let led = ["href", "src", "action", "formaction"].contains(&name.as_str());
                let web = ["/", "#", "?", "http://", "https://"];
                let plain = web.iter().any(|begin| value.starts_with(begin));
                if name.starts_with("on") || name == "style" || name == "srcdoc" || (led && !plain)
                {
                    found.push(format!("<{} {name}=\"{value}\">", tag.name));
                }
            }
        }
        found
    }
}

#[derive(Default)]
struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let attributes = tag.attrs.iter();
                let attributes = attributes
                    .map(|one| (one.name.local.to_string(), one.value.to_string()))
                    .collect();
                let name = tag.name.to_string();
                let raw = match name.as_str() {
                    "script" => Some(RawKind::ScriptData),
                    "title" | "textarea" => Some(RawKind::Rcdata),
                    "style" => Some(RawKind::Rawtext),
                    _ => None,
                };
                if name == "form" {
                    page.forms += 1;
                    page.open = page.forms;
                }
                let form = page.open;
                page.tags.push(Tag {
                    name,
                    attributes,
                    form,
                });
                if let Some(raw) = raw {
                    return TokenSinkResult::RawData(raw);
                }
            }
            Token::TagToken(tag) if &*tag.name == "form" => page.open = 0,
            Token::CharacterTokens(text) => page.text.push_str(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}
