//! The invoices of an order, once they are posted.

use canonical_model::{CompanyId, ErpOrderNumber, erp_invoice::ErpInvoice};
use serde_json::json;

use super::{
    client::TrytonErpConnector,
    codes::{MOST_ROWS, whole},
    mapping, wire,
};
use crate::{
    connector::ConnectorError,
    tryton::{CallError, Search},
};

impl TrytonErpConnector {
    pub(super) async fn read_invoices(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<Vec<ErpInvoice>, ConnectorError> {
        let id = Self::order_id(number)?;
        let context = self.context(company).await?;
        let domain = json!([["id", "=", id], ["company", "=", context.company()]]);
        let search = Search::of(domain, 2, wire::INVOICED_SALE);
        let sales: Result<Vec<wire::InvoicedSale>, CallError> = self
            .tryton
            .search_read("sale.sale", &search, &context)
            .await;
        let sale = sales?.into_iter().next().ok_or(ConnectorError::NotFound)?;
        if sale.id != id {
            return Err(ConnectorError::protocol(
                "Tryton answered for another order than it was asked for",
            ));
        }
        let domain = json!([["sales", "=", id], ["state", "in", ["posted", "paid"]]]);
        let search = Search::of(domain, MOST_ROWS, wire::INVOICE);
        let rows: Vec<wire::Invoice> = whole(
            self.tryton
                .search_read("account.invoice", &search, &context)
                .await?,
        )?;
        if rows.iter().any(|row| !row.sales.contains(&id)) {
            return Err(ConnectorError::protocol(
                "Tryton answered with an invoice of another order than it was asked for",
            ));
        }
        let invoices = rows.iter().map(|row| mapping::invoice(row, number, &sale));
        let mut invoices = invoices
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ConnectorError::Protocol(error.into()))?;
        invoices.sort_by(|one, other| (one.date, &one.number).cmp(&(other.date, &other.number)));
        Ok(invoices)
    }
}
