//! Channel documents in the layer below: stored, leased, answered, rendered, delivered.

use canonical_model::{
    DocumentId,
    document::{
        AnswerDocument, Document, DocumentContent, DocumentPage, DocumentSearch, LeaseDocuments,
        LeasedDocuments, PostponeDocument, RefuseDocument, StoreDocument, StoredDocument,
    },
};
use http::Method;
use service_runtime::context::CallContext;
use std::time::Duration;

use super::process::{CallError, ProcessClient, read, with_query, word};

impl ProcessClient {
    /// Stores what a channel received, before it acknowledges anything.
    pub async fn store_document(
        &self,
        context: &CallContext,
        document: &StoreDocument,
    ) -> Result<StoredDocument, CallError> {
        self.post("/v1/documents", context, document).await
    }

    /// Leases documents to work on, waiting for some as long as the request says.
    pub async fn lease_documents(
        &self,
        context: &CallContext,
        request: &LeaseDocuments,
    ) -> Result<LeasedDocuments, CallError> {
        let patience = Duration::from_secs(u64::from(request.wait_seconds).saturating_add(10));
        let call = self.call(Method::POST, "/v1/documents/leases", context);
        read(call.json(request).timeout(patience).send().await)
    }

    /// Says that everything in an inbound document is answered.
    pub async fn answer_document(
        &self,
        context: &CallContext,
        document: DocumentId,
        answer: &AnswerDocument,
    ) -> Result<Document, CallError> {
        let path = format!("/v1/documents/{document}/answer");
        self.post(&path, context, answer).await
    }

    /// Puts off a document that cannot be carried on now.
    pub async fn postpone_document(
        &self,
        context: &CallContext,
        document: DocumentId,
        postpone: &PostponeDocument,
    ) -> Result<Document, CallError> {
        let path = format!("/v1/documents/{document}/postpone");
        self.post(&path, context, postpone).await
    }

    /// Gives a due document its bytes.
    pub async fn put_document_content(
        &self,
        context: &CallContext,
        document: DocumentId,
        content: &DocumentContent,
    ) -> Result<Document, CallError> {
        let path = format!("/v1/documents/{document}/content");
        let call = self.call(Method::PUT, &path, context).json(content);
        read(call.send().await)
    }

    /// The partner confirmed that it has the document.
    pub async fn confirm_document(
        &self,
        context: &CallContext,
        document: DocumentId,
    ) -> Result<Document, CallError> {
        let path = format!("/v1/documents/{document}/confirm");
        read(self.call(Method::POST, &path, context).send().await)
    }

    /// The partner's system does not take the document; it is not sent again.
    pub async fn refuse_document(
        &self,
        context: &CallContext,
        document: DocumentId,
        refusal: &RefuseDocument,
    ) -> Result<Document, CallError> {
        let path = format!("/v1/documents/{document}/refuse");
        self.post(&path, context, refusal).await
    }

    /// A document, with its content.
    pub async fn document(
        &self,
        context: &CallContext,
        document: DocumentId,
    ) -> Result<Document, CallError> {
        self.get(&format!("/v1/documents/{document}"), context)
            .await
    }

    /// A page of documents, without content.
    pub async fn documents(
        &self,
        context: &CallContext,
        search: &DocumentSearch,
    ) -> Result<DocumentPage, CallError> {
        let direction = word(&search.direction);
        let state = search.state.as_ref().map(word);
        let limit = search.limit.map(|limit| limit.to_string());
        let path = with_query(
            "/v1/documents",
            &[
                ("partner", Some(&search.partner)),
                ("direction", Some(&direction)),
                ("state", state.as_deref()),
                ("cursor", search.cursor.as_deref()),
                ("limit", limit.as_deref()),
            ],
        );
        self.get(&path, context).await
    }
}
