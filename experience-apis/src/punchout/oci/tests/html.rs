//! The fields of a form in a page, found as a browser finds them.

use std::cell::RefCell;

use html5ever::{
    LocalName,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};

/// The forms of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Address, method and fields of each.
    pub(super) forms: Vec<Form>,
    /// What a browser had to mend, such as quotes in the wrong place.
    pub(super) mended: Vec<String>,
}

/// A form.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) charset: String,
    pub(super) fields: Vec<(String, String)>,
}

/// Reads a page.
pub(super) fn page(text: &str) -> Page {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(text));
    drop(tokenizer.feed(&queue));
    tokenizer.end();
    tokenizer.sink.page.into_inner()
}

#[derive(Default)]
struct Sink {
    page: RefCell<Page>,
    /// The textarea that is open, and its text.
    textarea: RefCell<Option<(String, String)>>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => return self.tag(&tag),
            Token::CharacterTokens(text) => {
                if let Some((_, value)) = self.textarea.borrow_mut().as_mut() {
                    value.push_str(&text);
                }
            }
            Token::ParseError(error) => {
                let mended = format!("line {line}: {error}");
                self.page.borrow_mut().mended.push(mended);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Sink {
    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        let get = |name: &str| {
            let name = LocalName::from(name);
            let found = tag
                .attrs
                .iter()
                .find(|attribute| attribute.name.local == name);
            found.map(|attribute| attribute.value.to_string())
        };
        let mut page = self.page.borrow_mut();
        match (tag.kind, &*tag.name) {
            (TagKind::StartTag, "form") => page.forms.push(Form {
                action: get("action").unwrap_or_default(),
                method: get("method").unwrap_or_default().to_ascii_lowercase(),
                target: get("target").unwrap_or_default(),
                charset: get("accept-charset").unwrap_or_default(),
                fields: Vec::new(),
            }),
            (TagKind::StartTag, "input") => {
                let kind = get("type").unwrap_or_default().to_ascii_lowercase();
                let posts = !["submit", "button", "image", "reset"].contains(&kind.as_str());
                if let (true, Some(form), Some(name)) = (posts, page.forms.last_mut(), get("name"))
                {
                    form.fields.push((name, get("value").unwrap_or_default()));
                }
            }
            (TagKind::StartTag, "textarea") => {
                *self.textarea.borrow_mut() =
                    Some((get("name").unwrap_or_default(), String::new()));
                return TokenSinkResult::RawData(RawKind::Rcdata);
            }
            (TagKind::EndTag, "textarea") => {
                if let (Some(field), Some(form)) =
                    (self.textarea.borrow_mut().take(), page.forms.last_mut())
                {
                    form.fields.push(field);
                }
            }
            (TagKind::StartTag, "script") => {
                return TokenSinkResult::RawData(RawKind::ScriptData);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}
