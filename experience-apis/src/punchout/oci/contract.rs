//! The fields of a call and of an order, as the contract shows them: as a query and as a form they are the same.

use std::borrow::Cow;

use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Required, Schema, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::AdditionalProperties,
    },
};

use super::charset::Charset;

/// What FUNCTION may ask for.
const FUNCTIONS: [&str; 4] = ["DETAIL", "DETAILADD", "VALIDATE", "BACKGROUND_SEARCH"];

/// A field: its name, what it says, an example, and its values where it has few.
struct Field {
    name: &'static str,
    says: &'static str,
    example: Option<&'static str>,
    values: Vec<&'static str>,
}

impl Field {
    fn new(name: &'static str, says: &'static str) -> Self {
        Self {
            name,
            says,
            example: None,
            values: Vec::new(),
        }
    }

    fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    fn one_of(mut self, values: impl IntoIterator<Item = &'static str>) -> Self {
        self.values.extend(values);
        self
    }

    fn schema(&self) -> ObjectBuilder {
        let values = self.values.iter().copied();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values((!self.values.is_empty()).then_some(values))
    }

    fn described(&self) -> ObjectBuilder {
        self.schema()
            .description(Some(self.says))
            .examples(self.example)
    }
}

fn of_call() -> Vec<Field> {
    let charsets = [Charset::Latin1, Charset::Windows1252, Charset::Utf8];
    vec![
        Field::new(
            "HOOK_URL",
            "Needed: where the cart goes, https and under an agreed address",
        )
        .such_as("https://procure.example.com/punchout/in"),
        Field::new(
            "USERNAME",
            "The user, unless HTTP Basic says it; the field may have another name by agreement",
        )
        .such_as("acme"),
        Field::new(
            "PASSWORD",
            "The password, unless HTTP Basic says it; the field may have another name by agreement",
        )
        .such_as("…"),
        Field::new("~OkCode", "Given back; ADDI unless said"),
        Field::new(
            "~TARGET",
            "The frame that the cart is posted to; `returntarget` means the same; _top unless said",
        ),
        Field::new("~CALLER", "Given back; CTLG unless said"),
        Field::new("OCI_VERSION", "Kept"),
        Field::new(
            "http_content_charset",
            "Of what is posted back; the agreed one unless said; case does not count",
        )
        .one_of(charsets.map(Charset::name)),
        Field::new(
            "FUNCTION",
            "What is asked for besides the shop; case does not count",
        )
        .one_of(FUNCTIONS),
        Field::new(
            "PRODUCTID",
            "The EXT_PRODUCT_ID of an item: for DETAIL, DETAILADD and VALIDATE",
        ),
        Field::new("QUANTITY", "For VALIDATE, in the product's sales unit"),
        Field::new("SEARCHSTRING", "For BACKGROUND_SEARCH"),
    ]
}

fn of_order() -> Vec<Field> {
    vec![
        Field::new("PO_NUMBER", "The number of your purchase order").such_as("4500017"),
        Field::new("REQUESTED_DATE", "When you want it: 2026-03-09 or 20260309")
            .such_as("2026-03-09"),
        Field::new(
            "SHIP_TO",
            "Your code of the place; the agreed one unless said",
        )
        .such_as("21444"),
        Field::new(
            "USERNAME",
            "The user, unless HTTP Basic says it; the field may have another name by agreement",
        ),
        Field::new(
            "PASSWORD",
            "The password, unless HTTP Basic says it; the field may have another name by agreement",
        ),
    ]
}

/// A form of these fields and others, each a text.
fn form(fields: &[Field], says: &str) -> ObjectBuilder {
    let others = ObjectBuilder::new().schema_type(Type::String).build();
    let others = AdditionalProperties::RefOr(RefOr::T(Schema::Object(others)));
    let form = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(says))
        .additional_properties(Some(others));
    fields.iter().fold(form, |form, field| {
        form.property(field.name, field.described())
    })
}

/// The fields of a call.
pub(super) enum OciCall {}

impl IntoParams for OciCall {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |field: Field| {
            let required = match field.name {
                "HOOK_URL" => Required::True,
                _ => Required::False,
            };
            ParameterBuilder::new()
                .name(field.name)
                .parameter_in(ParameterIn::Query)
                .required(required)
                .description(Some(field.says))
                .schema(Some(field.schema()))
                .example(field.example.map(Into::into))
                .build()
        };
        of_call().into_iter().map(parameter).collect()
    }
}

impl PartialSchema for OciCall {
    fn schema() -> RefOr<Schema> {
        let says =
            "The fields of a call: here, in the query, or in both; a field that is empty is none.";
        form(&of_call(), says).into()
    }
}

impl ToSchema for OciCall {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OciCall")
    }
}

/// The fields of an order.
pub(super) enum OciOrder {}

impl PartialSchema for OciOrder {
    fn schema() -> RefOr<Schema> {
        let says = "An approved cart: the `NEW_ITEM` fields as they left the shop, and what is said of the order.";
        form(&of_order(), says).required("PO_NUMBER").into()
    }
}

impl ToSchema for OciOrder {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OciOrder")
    }
}
