//! The ERP's own shapes, under its own field names. Every value is text; the meaning of each is in `mapping`.

use serde::{Deserialize, Serialize};

/// A message of `RETURN`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "UPPERCASE")]
pub(super) struct Message {
    #[serde(rename = "TYPE")]
    pub kind: String,
    pub id: String,
    pub number: String,
    pub message: String,
    pub message_v1: String,
}

impl Message {
    pub(super) fn is_error(&self) -> bool {
        self.kind == "E"
    }

    pub(super) fn is(&self, id: &str, number: &str) -> bool {
        self.id == id && self.number == number
    }
}

/// What every answer has.
pub(super) trait Returned {
    fn messages(&self) -> &[Message];
}

macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default, rename_all = "UPPERCASE")]
        pub(super) struct $name {
            $(pub $field: $type,)*
            #[serde(rename = "RETURN")]
            pub messages: Vec<Message>,
        }

        impl Returned for $name {
            fn messages(&self) -> &[Message] {
                &self.messages
            }
        }
    )*};
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(default, rename_all = "UPPERCASE")]
        pub(super) struct $name {
            $(pub $field: $type,)*
        }
    )*};
}

answers! {
    /// `CUSTOMER_GETDETAIL`.
    Customers { customers: Vec<Customer> }
    /// `MATERIAL_GETLIST`.
    Materials { materials: Vec<Material>, more: String }
    /// `CONDITIONS_GETLIST`.
    Conditions { conditions: Vec<Condition> }
    /// `STOCK_GETLIST`.
    StockRows { stock: Vec<Stock> }
    /// `CREDIT_GETSTATUS`.
    CreditRows { credit: Vec<Credit> }
    /// `SALESORDER_GETLIST` and `SALESORDER_GETDETAIL`.
    SalesOrders { orders: Vec<SalesOrder>, more: String }
    /// `INVOICE_GETLIST`.
    InvoiceRows { invoices: Vec<Invoice> }
    /// `SALESORDER_CREATE`, `_CHANGE`, `_RELEASE` and `_CANCEL`.
    SalesOrderChanged { vbeln: String }
}

rows! {
    Invoice {
        vbelnvf: String, fkdat: String, aubel: String, xref: String, bstkd: String, kunnr: String, netwr: String,
        waers: String, items: Vec<InvoiceItem>,
    }
    InvoiceItem {
        posex: String, matnr: String, fkimg: String, vrkme: String, netpr: String, peinh: String, netwr: String,
    }
    Customer {
        kunnr: String, name1: String, hkunnr: String, konda: String, waers: String, status: String, aufsd: String,
        shipto: Vec<ShipTo>,
    }
    Ident { idtype: String, idnumber: String }
    ShipTo {
        kunwe: String, name1: String, stras: String, ort01: String, regio: String, pstlz: String,
        land1: String, ident: Vec<Ident>,
    }
    Material {
        matnr: String, maktx: String, unspsc: String, meins: String, mstae: String, ean11: String,
        plifz: String,
        units: Vec<MaterialUnit>, knmt: Vec<CustomerPart>,
    }
    MaterialUnit { meinh: String, isocode: String, umrez: String, umren: String, ean11: String, base: String }
    CustomerPart { kunnr: String, kdmat: String }
    Condition {
        matnr: String, kschl: String, prio: String, holder: String, ktnum: String, ktver: String,
        kmein: String, netpr: String, peinh: String, kstbm: String, waers: String, datab: String,
        datbi: String, kzpro: String, gkwrt: String,
    }
    Stock {
        matnr: String, werks: String, labst: String, resrv: String, insme: String, eisbe: String,
        receipts: Vec<Receipt>, demands: Vec<Demand>,
    }
    Receipt { eindt: String, menge: String, conf: String }
    Demand { bdter: String, menge: String }
    Credit {
        kunnr: String, waers: String, klimk: String, openord: String, opendlv: String, openbil: String,
        openitm: String, unappl: String, crblk: String,
    }
    SalesOrder {
        vbeln: String, xref: String, kunnr: String, bstkd: String, lifsk: String, stat: String,
        netwr: String, waers: String, konds: Vec<HeadCondition>, items: Vec<SalesOrderItem>,
    }
    HeadCondition { kschl: String, vtext: String, kwert: String }
    SalesOrderItem {
        posnr: String, matnr: String, kwmeng: String, vrkme: String, netpr: String, peinh: String,
        werks: String, vdatu: String, bddat: String, posex: String,
    }
}

/// A read by keys, whichever keys it is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct KeyQuery<'a> {
    pub bukrs: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kunnr: Option<Kunnr<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matnr: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub werks: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kdmat: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ean11: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vbeln: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxrows: Option<String>,
}

/// One customer, or several: the functions differ.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Kunnr<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct NewSalesOrder {
    pub bukrs: String,
    pub kunnr: String,
    pub kunwe: String,
    pub bstkd: String,
    pub xref: String,
    pub waers: String,
    pub lifsk: &'static str,
    pub items: Vec<NewSalesOrderItem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct NewSalesOrderItem {
    pub posnr: String,
    pub matnr: String,
    pub kwmeng: String,
    pub vrkme: String,
    pub netpr: String,
    pub peinh: String,
    pub werks: String,
    pub vdatu: String,
    pub bddat: String,
    pub posex: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct SalesOrderAmendment<'a> {
    pub bukrs: &'a str,
    pub vbeln: &'a str,
    pub items: Vec<SalesOrderItemAmendment>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct SalesOrderItemAmendment {
    pub posnr: String,
    pub posex: String,
    pub kwmeng: String,
    pub vrkme: String,
    pub vdatu: String,
    pub bddat: String,
}

/// A change to one order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) struct OrderChange<'a> {
    pub bukrs: &'a str,
    pub vbeln: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abgru: Option<&'a str>,
}

/// The ERP's unit codes beside those of UN/ECE Recommendation 20; any other code is the same in both.
const UNITS: [(&str, &str); 16] = [
    ("ST", "EA"),
    ("KAR", "XCT"),
    ("KI", "XCS"),
    ("PAK", "XPK"),
    ("BOX", "XBX"),
    ("DZ", "DZN"),
    ("PAL", "XPX"),
    ("KG", "KGM"),
    ("LB", "LBR"),
    ("M", "MTR"),
    ("FT", "FOT"),
    ("L", "LTR"),
    ("GAL", "GLL"),
    ("ROL", "XRO"),
    ("PAA", "PR"),
    ("SET", "SET"),
];

/// The Recommendation 20 code of a unit of the ERP.
pub(super) fn rec20(erp: &str) -> &str {
    UNITS
        .iter()
        .find(|(code, _)| *code == erp)
        .map_or(erp, |(_, rec20)| rec20)
}

/// The ERP's code of a Recommendation 20 unit.
pub(super) fn erp_unit(rec20: &str) -> &str {
    UNITS
        .iter()
        .find(|(_, code)| *code == rec20)
        .map_or(rec20, |(erp, _)| erp)
}
