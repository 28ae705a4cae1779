//! How a buyer may name a product.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose number of a product it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ItemScheme {
    /// The seller's item number.
    SellerPartNumber,
    /// The buyer's own part number, as the account's cross-reference knows it.
    BuyerPartNumber,
    /// GS1 trade item number (8, 12, 13 or 14 digits).
    Gtin,
}

/// One number of a product: `{"scheme":"seller_part_number","value":"SKU-0001"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"scheme": "seller_part_number", "value": "SKU-0001"}))]
pub struct ItemIdentifier {
    /// Whose number.
    pub scheme: ItemScheme,
    /// The number.
    #[schema(min_length = 1, max_length = 40)]
    pub value: String,
}
