//! Identifiers: short texts that other systems gave (checked for length and for what is not seen) and our own UUIDs.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};
use smol_str::SmolStr;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be 1 to {max} visible characters without blanks at either end")]
pub struct InvalidId {
    name: &'static str,
    max: usize,
}

fn check(name: &'static str, max: usize, text: &str) -> Result<(), InvalidId> {
    // Nearly all are of these characters alone, each a byte.
    if text.len() <= max && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let sound = !text.is_empty()
        && text.chars().count() <= max
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || is_unseen(c));
    if sound {
        Ok(())
    } else {
        Err(InvalidId { name, max })
    }
}

/// Characters without a shape of their own: two numbers that differ by one look the same to a person, or are read in
/// another order.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// Reads an identifier from text without a copy of its own: most are short enough to stand where they are used.
struct TextId<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> Visitor<'_> for TextId<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $label:literal, $max:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = 1, max_length = $max)]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes the text if it is a sound identifier.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                check($label, $max, text)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// The identifier as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextId(PhantomData))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier, ordered by the time of its making (UUID version 7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// A legal entity that sells; configuration maps it to its backends.
    CompanyId, "company", 20);
text_id!(
    /// A sold-to account, by the number the company's ERP gave it.
    AccountId, "account", 40);
text_id!(
    /// A delivery address of an account.
    ShipToId, "ship_to", 40);
text_id!(
    /// A warehouse or plant that ships.
    SiteId, "site", 20);
text_id!(
    /// The seller's number of a product.
    ItemNumber, "item", 40);
text_id!(
    /// A contract between company and account.
    ContractNumber, "contract", 40);
text_id!(
    /// A promotion, by the name that the policies give it.
    PromotionId, "promotion", 40);
text_id!(
    /// The buyer's own number of its purchase order.
    PurchaseOrderNumber, "purchase_order_number", 50);
text_id!(
    /// The number the ERP gave to its sales order.
    ErpOrderNumber, "sales_order_number", 40);
text_id!(
    /// The number the ERP gave to an invoice.
    ErpInvoiceNumber, "invoice_number", 40);
text_id!(
    /// A warehouse's number of a shipment.
    ShipmentNumber, "shipment", 60);
text_id!(
    /// A CRM's number of a task.
    TaskNumber, "task", 60);
text_id!(
    /// Our key for a task in a CRM: what the CRM is searched by.
    TaskReference, "task_reference", 40);
text_id!(
    /// Our key for an order in other systems: printed on documents, and what an ERP is searched by.
    OrderReference, "order_reference", 20);

uuid_id!(
    /// An order in Orderway.
    OrderId);
uuid_id!(
    /// A price quote.
    QuoteId);
uuid_id!(
    /// A stock reservation.
    ReservationId);
uuid_id!(
    /// A channel document, inbound or outbound.
    DocumentId);
uuid_id!(
    /// A channel's session with a partner's buyer.
    SessionId);
uuid_id!(
    /// A webhook subscription.
    SubscriptionId);

impl OrderReference {
    /// The reference of an order: `OW` and 16 characters of Crockford's base 32 over the last 80 bits of its id, so
    /// that it fits the narrowest field seen (20 characters) and can be told over the telephone.
    pub fn of(order: OrderId) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let low = order.0.as_u128();
        let mut text = String::with_capacity(18);
        text.push_str("OW");
        for shift in (0_u32..80).step_by(5).rev() {
            let index = usize::try_from((low >> shift) & 31).unwrap_or_default();
            text.push(ALPHABET.get(index).copied().map_or('0', char::from));
        }
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_refuse_blanks_control_characters_and_length() {
        assert!(ItemNumber::new("SKU-0001").is_ok());
        assert!(ItemNumber::new("").is_err());
        assert!(ItemNumber::new(" SKU").is_err());
        assert!(ItemNumber::new("SKU\u{7}").is_err());
        assert!(ItemNumber::new("SKU\u{200B}1").is_err());
        assert!(ItemNumber::new("\u{202E}1000-UKS").is_err());
        assert!(ItemNumber::new("Schraube-É-😀").is_ok());
        assert!(ItemNumber::new("x".repeat(41)).is_err());
        assert!(serde_json::from_str::<AccountId>("\"\"").is_err());
    }

    #[test]
    fn a_reference_is_short_stable_and_different_for_different_orders() {
        let order = OrderId::generate();
        assert_eq!(OrderReference::of(order), OrderReference::of(order));
        assert_eq!(OrderReference::of(order).as_str().len(), 18);
        assert_ne!(
            OrderReference::of(order),
            OrderReference::of(OrderId::generate())
        );
    }
}
