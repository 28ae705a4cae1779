//! The ERP's reads, its door and its control.

use sandbox::{AccountChange, StockChange};
use serde_json::{Value, json};

use crate::support::{codes, erp, http, start};

#[tokio::test]
async fn a_wrong_key_a_wrong_function_and_a_wrong_body_are_http_errors() {
    let sandbox = start().await;
    let url = format!("{}/erp/call/PING", sandbox.erp_url());
    let status = async |url: &str, key: &str, body: &'static str| {
        let request = http().post(url).header("x-api-key", key).body(body);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(&url, "sandbox-erp-key", "{}").await, 200);
    assert_eq!(status(&url, "another", "{}").await, 401);
    assert_eq!(status(&url, "sandbox-erp-key", "[1]").await, 400);
    let unknown = format!("{}/erp/call/NO_SUCH", sandbox.erp_url());
    assert_eq!(status(&unknown, "sandbox-erp-key", "{}").await, 404);
    let wrong_type = format!("{}/erp/call/STOCK_GETLIST", sandbox.erp_url());
    let body = r#"{"BUKRS":"NWI","MATNR":"SKU-0001"}"#;
    assert_eq!(status(&wrong_type, "sandbox-erp-key", body).await, 400);
    assert_eq!(sandbox.erp.calls_of("PING"), 2);
}

#[tokio::test]
async fn another_company_is_a_business_error() {
    let sandbox = start().await;
    let answer = erp(
        &sandbox.erp_url(),
        "CUSTOMER_GETDETAIL",
        json!({ "BUKRS": "XXX", "KUNNR": ["ACME"] }),
    )
    .await;
    assert_eq!(codes(&answer), ["E F5/201"]);
    assert_eq!(answer.get("CUSTOMERS"), None);
}

#[tokio::test]
async fn a_batch_of_customers_names_the_one_it_does_not_know() {
    let sandbox = start().await;
    let answer = erp(
        &sandbox.erp_url(),
        "CUSTOMER_GETDETAIL",
        json!({ "BUKRS": "NWI", "KUNNR": ["NOBODY", "ACME-WEST", "ACME"] }),
    )
    .await;
    assert_eq!(codes(&answer), ["E F2/153"]);
    assert_eq!(answer["RETURN"][0]["MESSAGE_V1"], "NOBODY");
    let customers = answer["CUSTOMERS"].as_array().expect("rows");
    assert_eq!(customers.len(), 2);
    assert_eq!(customers[0]["SHIPTO"][0]["IDENT"][0]["IDTYPE"], "GLN");
    assert_eq!(customers[1]["HKUNNR"], "ACME");
    assert_eq!(customers[1]["KONDA"], "");
}

#[tokio::test]
async fn materials_are_paged_searched_and_found_by_the_customers_own_number() {
    let sandbox = start().await;
    let url = sandbox.erp_url();
    let list = async |body: Value| erp(&url, "MATERIAL_GETLIST", body).await;
    let page = list(json!({ "BUKRS": "NWI", "SKIP": "198", "MAXROWS": "1" })).await;
    assert_eq!(page["MATERIALS"][0]["MATNR"], "SKU-0199");
    assert_eq!(page["MATERIALS"][0]["MSTAE"], "Z9");
    assert_eq!(page["MORE"], "X");
    let last = list(json!({ "BUKRS": "NWI", "SKIP": "199" })).await;
    assert_eq!(last["MORE"], "");

    let found = list(json!({ "BUKRS": "NWI", "SEARCH": "BEARING 6011" })).await;
    assert_eq!(found["MATERIALS"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["MATERIALS"][0]["KNMT"], json!([]));

    // The child finds by its parent's number; a stranger does not.
    let by_part =
        |account: &str| json!({ "BUKRS": "NWI", "KUNNR": account, "KDMAT": ["ACM-9001"] });
    let child = list(by_part("ACME-WEST")).await;
    assert_eq!(child["MATERIALS"][0]["MATNR"], "SKU-0001");
    assert_eq!(
        child["MATERIALS"][0]["KNMT"],
        json!([{ "KUNNR": "ACME", "KDMAT": "ACM-9001" }])
    );
    let carton = &child["MATERIALS"][0]["UNITS"][1];
    assert_eq!(carton["MEINH"], "KAR");
    assert_eq!(
        (&carton["UMREZ"], &carton["UMREN"]),
        (&json!("12"), &json!("1"))
    );
    let stranger = list(by_part("BOREALIS")).await;
    assert_eq!(stranger["MATERIALS"], json!([]));

    let by_gtin =
        json!({ "BUKRS": "NWI", "EAN11": ["10614141000019"], "MATNR": ["SKU-0002", "X"] });
    let named = list(by_gtin).await;
    let numbers: Vec<&Value> = (0..3).map(|n| &named["MATERIALS"][n]["MATNR"]).collect();
    assert_eq!(
        numbers,
        [&json!("SKU-0001"), &json!("SKU-0002"), &Value::Null]
    );
    assert_eq!(codes(&named), ["E M3/305"]);

    let too_many: Vec<String> = (0..501).map(|n| n.to_string()).collect();
    let refused = list(json!({ "BUKRS": "NWI", "MATNR": too_many })).await;
    assert_eq!(codes(&refused), ["E 00/100"]);
}

#[tokio::test]
async fn units_of_a_material_come_by_function() {
    let sandbox = start().await;
    let body = json!({ "BUKRS": "NWI", "MATNR": ["SKU-0001", "SKU-0002"] });
    let answer = erp(&sandbox.erp_url(), "MATERIAL_GETUNITS", body).await;
    let units = answer["UNITS"].as_array().expect("rows");
    let named: Vec<(&str, &str)> = units
        .iter()
        .map(|unit| {
            (
                unit["MATNR"].as_str().unwrap(),
                unit["ISOCODE"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [("SKU-0001", "EA"), ("SKU-0001", "XCT"), ("SKU-0002", "EA")]
    );
}

#[tokio::test]
async fn the_schedule_holds_every_record_an_account_may_use_and_no_other() {
    let sandbox = start().await;
    let url = sandbox.erp_url();
    let kinds = async |account: &str, item: &str| -> Vec<String> {
        let body = json!({ "BUKRS": "NWI", "KUNNR": account, "MATNR": [item] });
        let answer = erp(&url, "CONDITIONS_GETLIST", body).await;
        let rows = answer["CONDITIONS"].as_array().expect("rows");
        let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
        rows.iter()
            .map(|row| {
                format!(
                    "{} {} {}",
                    text(row, "KSCHL"),
                    text(row, "KMEIN"),
                    text(row, "KSTBM")
                )
            })
            .collect()
    };
    let contract = |kind: &str| {
        vec![
            "PR00 ST 0.000".to_owned(),
            "PR00 KAR 0.000".to_owned(),
            format!("{kind} ST 0.000"),
            format!("{kind} ST 24.000"),
            format!("{kind} ST 144.000"),
        ]
    };
    assert_eq!(kinds("ACME", "SKU-0001").await, contract("ZK02"));
    assert_eq!(kinds("ACME-WEST", "SKU-0001").await, contract("ZK03"));
    assert_eq!(
        kinds("BOREALIS", "SKU-0001").await,
        ["PR00 ST 0.000", "PR00 KAR 0.000", "ZP06 ST 0.000"]
    );

    let body = json!({ "BUKRS": "NWI", "KUNNR": "ACME", "MATNR": ["SKU-0002", "SKU-0008"] });
    let answer = erp(&url, "CONDITIONS_GETLIST", body).await;
    let rows = answer["CONDITIONS"].as_array().expect("rows");
    let dated = rows.iter().any(|row| row["DATBI"] == "20261220");
    let followed = rows.iter().any(|row| row["DATAB"] == "20261221");
    assert!(
        dated && followed,
        "the contract of SKU-0002 changes after 30 days"
    );
    let per_hundred = rows.iter().filter(|row| row["MATNR"] == "SKU-0008");
    assert!(
        per_hundred
            .map(|row| &row["PEINH"])
            .all(|peinh| peinh == "100")
    );
}

#[tokio::test]
async fn stock_has_a_row_for_each_plant_also_where_there_is_none() {
    let sandbox = start().await;
    let body = json!({ "BUKRS": "NWI", "MATNR": ["SKU-0010", "SKU-0025"], "WERKS": [] });
    let answer = erp(&sandbox.erp_url(), "STOCK_GETLIST", body).await;
    let rows = answer["STOCK"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["LABST"], "0.000");
    assert_eq!(rows[0]["RECEIPTS"][0]["EINDT"], "20261125");
    assert_eq!(rows[0]["RECEIPTS"][0]["CONF"], "X");
    assert_eq!(
        (&rows[2]["WERKS"], &rows[2]["LABST"]),
        (&json!("EAST"), &json!("0.000"))
    );
    assert_ne!(rows[3]["LABST"], "0.000");
}

#[tokio::test]
async fn credit_of_a_parent_includes_its_children() {
    let sandbox = start().await;
    let body = json!({ "BUKRS": "NWI", "KUNNR": ["ACME", "ACME-WEST"] });
    let answer = erp(&sandbox.erp_url(), "CREDIT_GETSTATUS", body).await;
    let parent = &answer["CREDIT"][0];
    assert_eq!(parent["KLIMK"], "50000.00");
    // 3 800 of its own and 1 200 of ACME-WEST.
    assert_eq!(parent["OPENITM"], "5000.00");
    assert_eq!(parent["UNAPPL"], "500.00-");
    assert_eq!(answer["CREDIT"][1]["OPENITM"], "1200.00");
}

#[tokio::test]
async fn control_changes_show_in_the_dialect() {
    let sandbox = start().await;
    let url = sandbox.erp_url();
    let put = async |path: &str, body: Value| {
        let request = http().put(format!("{url}/erp/control/{path}")).json(&body);
        request.send().await.expect("an answer").status().as_u16()
    };
    let stock = json!({ "item": "SKU-0001", "site": "EAST", "on_hand": "7" });
    assert_eq!(put("stock", stock).await, 204);
    let nowhere = json!({ "item": "SKU-0001", "site": "NORTH", "on_hand": "7" });
    assert_eq!(put("stock", nowhere).await, 404);
    assert_eq!(
        put("accounts/ACME", json!({ "credit_limit": null })).await,
        204
    );
    let price = json!({ "item": "SKU-0001", "kind": "contract_account", "holder": "ACME",
                        "break_quantity": "24", "price": "1.23456" });
    assert_eq!(put("prices", price).await, 200);

    let keys = json!({ "BUKRS": "NWI", "KUNNR": "ACME", "MATNR": ["SKU-0001"] });
    let stock = erp(&url, "STOCK_GETLIST", keys.clone()).await;
    assert_eq!(stock["STOCK"][0]["LABST"], "7.000");
    let conditions = erp(&url, "CONDITIONS_GETLIST", keys).await;
    let prices = conditions["CONDITIONS"].as_array().expect("rows");
    assert_eq!(
        prices
            .iter()
            .filter(|row| row["NETPR"] == "1.23456")
            .count(),
        1
    );
    let credit = erp(
        &url,
        "CREDIT_GETSTATUS",
        json!({ "BUKRS": "NWI", "KUNNR": ["ACME"] }),
    )
    .await;
    assert_eq!(credit["CREDIT"][0]["KLIMK"], "");
}

#[tokio::test]
async fn handles_change_the_books_directly() {
    let sandbox = start().await;
    let change = StockChange {
        quality: Some(3.into()),
        ..StockChange::default()
    };
    sandbox
        .erp
        .set_stock("SKU-0001", "WEST", change)
        .expect("known");
    let unknown = sandbox.erp.set_account("NOBODY", AccountChange::default());
    assert!(unknown.is_err_and(|error| error.to_string().contains("NOBODY")));
    let body = json!({ "BUKRS": "NWI", "MATNR": ["SKU-0001"], "WERKS": ["WEST", "NORTH"] });
    let answer = erp(&sandbox.erp_url(), "STOCK_GETLIST", body).await;
    assert_eq!(answer["STOCK"][0]["INSME"], "3.000");
    assert_eq!(codes(&answer), ["E M7/018"]);
}
