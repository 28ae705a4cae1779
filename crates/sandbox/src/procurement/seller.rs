//! The seller, as the procurement system calls it.

use axum::http::header;

use super::{
    Desk, SECRET,
    documents::{self, Field},
};

const PARTNER: &str = "acme-punchout";

impl Desk {
    /// The address of an OCI call.
    pub(super) fn oci_address(&self, call: &[(&str, String)]) -> Result<String, String> {
        let address = format!("{}/punchout/oci/{PARTNER}", self.gateway);
        let request = self.http.get(address).query(call).build();
        let request = request.map_err(|error| error.to_string())?;
        Ok(request.url().to_string())
    }

    /// Sends a document, and gives the seller's word and a start page; an error is a sentence.
    pub(super) async fn send(&self, document: String) -> Result<(String, Option<String>), String> {
        let request = self
            .http
            .post(format!("{}/punchout/cxml", self.gateway))
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .body(document);
        let answer = text(request).await?;
        documents::answer(&answer).ok_or_else(|| format!("The seller answered no cXML: {answer}"))
    }

    /// Orders a cart in the fields that it came in; an error is a sentence.
    pub(super) async fn order_by_oci(
        &self,
        number: &str,
        fields: Vec<Field>,
    ) -> Result<String, String> {
        let mut fields = fields;
        fields.push(("PO_NUMBER".to_owned(), number.to_owned()));
        let request = self
            .http
            .post(format!("{}/punchout/oci/{PARTNER}/orders", self.gateway))
            .basic_auth("acme", Some(SECRET))
            .form(&fields);
        let answer = text(request).await?;
        let answer: serde_json::Value = serde_json::from_str(&answer)
            .map_err(|error| format!("The seller answered no JSON: {error}"))?;
        let said = |member: &str| answer.get(member).and_then(serde_json::Value::as_str);
        let told = said("status").or_else(|| said("detail"));
        Ok(told.unwrap_or_default().to_owned())
    }
}

async fn text(request: reqwest::RequestBuilder) -> Result<String, String> {
    let sending = async { request.send().await?.text().await };
    sending
        .await
        .map_err(|error| format!("The seller does not answer: {error}"))
}
