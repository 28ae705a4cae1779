//! Amending: a draft is written. Of a quotation Tryton has fixed the figures, so it becomes a draft again first, which is as
//! blocked as it was; the next release quotes it anew.

use canonical_model::{CompanyId, ErpOrderNumber, erp_order::AmendErpOrder};
use serde_json::{Value, json};

use super::{client::TrytonErpConnector, mapping, wire};
use crate::{
    connector::ConnectorError,
    tryton::{CallError, Context, Search},
};

/// As an order was seen: Tryton refuses to change one that anybody has changed since.
fn stamp(sale: &wire::Sale) -> Value {
    json!({ format!("sale.sale,{}", sale.id): sale.timestamp })
}

impl TrytonErpConnector {
    /// All of the amendment is one write. It is refused if anybody has changed the order since it was looked at: a released
    /// one would take it too, with nothing said to its shipments.
    pub(super) async fn amend(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
        amendment: &AmendErpOrder,
    ) -> Result<(), ConnectorError> {
        let id = Self::order_id(number)?;
        let context = self.context(company).await?;
        let mut sale = self.sale(id, &context).await?;
        let Some(mut values) = mapping::amendment(&sale, amendment)? else {
            return Ok(());
        };
        if sale.state == "quotation" {
            // It would make a draft of one that somebody has cancelled or confirmed meanwhile, too.
            let as_seen = context.clone().with("_timestamp", stamp(&sale));
            self.tryton
                .press("sale.sale", "draft", id, &as_seen, (0, |_| false))
                .await?;
            sale = self.sale(id, &context).await?;
            let Some(anew) = mapping::amendment(&sale, amendment)? else {
                return Ok(());
            };
            values = anew;
        }
        let context = context.with("_timestamp", stamp(&sale));
        self.tryton
            .write("sale.sale", &[id], &values, &context)
            .await?;
        Ok(())
    }

    async fn sale(&self, id: i64, context: &Context) -> Result<wire::Sale, ConnectorError> {
        let domain = json!([["id", "=", id], ["company", "=", context.company()]]);
        let search = Search::of(domain, 2, wire::SALE);
        let found: Result<Vec<wire::Sale>, CallError> =
            self.tryton.search_read("sale.sale", &search, context).await;
        let found = found?.into_iter().next().ok_or(ConnectorError::NotFound)?;
        if found.id != id {
            return Err(ConnectorError::protocol(
                "Tryton answered for another order than it was asked for",
            ));
        }
        Ok(found)
    }
}
