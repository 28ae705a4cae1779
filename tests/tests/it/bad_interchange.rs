//! Interchanges that are wrong.

/// A sound 850 of one line.
pub(crate) fn sound(control: &str, usage: &str, purchase_order: &str) -> String {
    interchange(
        control,
        usage,
        &[
            "ST*850*0001",
            &format!("BEG*00*SA*{purchase_order}**20261120"),
            "N1*ST**92*0001",
            "PO1*1*2*EA***VP*SKU-0001",
            "CTT*1",
            "SE*6*0001",
        ],
    )
}

/// The same envelope around other segments.
pub(crate) fn interchange(control: &str, usage: &str, segments: &[&str]) -> String {
    let isa = format!(
        "ISA*00*          *00*          *ZZ*ACMEMFG        *ZZ*NORTHWIND      *261120*1430*U*00401*{control}*0*{usage}*>~"
    );
    let body: String = segments
        .iter()
        .map(|segment| format!("{segment}~"))
        .collect();
    format!("{isa}GS*PO*ACMEMFG*NORTHWIND*20261120*1430*1*X*004010~{body}GE*1*1~IEA*1*{control}~")
}
