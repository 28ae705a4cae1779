//! Files that travel beside an order, as parts of a multipart body.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::punchout::cxml::{
    status::{Code, Status},
    xml::Element,
};

/// A file that a document refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it is referred to.
    pub path: String,
    /// By which address; `cid:` = a part that travels along.
    pub url: String,
}

impl Attachment {
    /// The Content-ID of the part that travels along, without its angle brackets.
    pub fn content_id(&self) -> Option<String> {
        let id = self.url.strip_prefix("cid:")?;
        percent_decode_str(id)
            .decode_utf8()
            .ok()
            .map(Cow::into_owned)
    }
}

/// All that an element refers to, at any depth.
pub(super) fn all(element: &Element, path: &str, found: &mut Vec<Attachment>) {
    for child in element.elements() {
        let path = format!("{path}/{}", child.name);
        if child.name == "Attachment"
            && let Some(url) = child.first("URL")
        {
            found.push(Attachment {
                path,
                url: url.own_text(),
            });
        } else {
            all(child, &path, found);
        }
    }
}

/// 400 where a part that the document refers to did not come along; `parts` are the Content-IDs without brackets.
pub fn missing_part(attachments: &[Attachment], parts: &[&str]) -> Option<Status> {
    let missing = attachments.iter().find(|attachment| {
        attachment
            .content_id()
            .is_some_and(|id| !parts.contains(&id.as_str()))
    })?;
    let sentence = format!(
        "{}: the part {} did not come along: send it with the document, or leave the reference out.",
        missing.path, missing.url
    );
    Some(Status::new(Code::BadRequest, sentence))
}
