//! Files that travel beside an order, as parts of a multipart body.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::punchout::cxml::{
    fields::Faults,
    status::{Code, Status},
    xml::Element,
};

/// Files of one order.
const MOST: usize = 100;

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

/// All that a request refers to, at any depth.
pub(super) fn all(request: &Element, faults: &mut Faults) -> Vec<Attachment> {
    let mut found = Vec::new();
    collect(request, &mut vec![&request.name], &mut found);
    if found.len() > MOST {
        let sentence = format!("there are more than {MOST} of them: send fewer.");
        faults.add("OrderRequest//Attachment", &sentence);
    }
    found
}

/// A path is written only for what is found: elements are many, and their names may be long.
fn collect<'a>(element: &'a Element, path: &mut Vec<&'a str>, found: &mut Vec<Attachment>) {
    for child in element.elements() {
        if found.len() > MOST {
            return;
        }
        path.push(&child.name);
        match child.first("URL").filter(|_| child.name == "Attachment") {
            Some(url) => found.push(Attachment {
                path: path.join("/"),
                url: url.own_text(),
            }),
            None => collect(child, path, found),
        }
        path.pop();
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
