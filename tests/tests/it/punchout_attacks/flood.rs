//! More visits than a partner may have: refused for now, while those that are open and the other partner go on.

use jiff::{SignedDuration, Timestamp};
use tests::{
    Setup,
    punchout::{Operation, PASSWORD, USER},
};

use super::{Guest, Siege, as_other};
use crate::findings::{answer_of, generous};

#[tokio::test]
async fn more_visits_than_a_partner_may_have_harm_nobody_else() -> anyhow::Result<()> {
    let noon: Timestamp = "2026-12-02T15:00:00Z".parse()?;
    let (setup, time) = Setup::at(noon);
    let setup = generous(setup).with("ORDERWAY_PROCESS__SESSIONS__MAX_PER_PARTNER", "20");
    let siege = Siege::with(setup, &[]).await?;
    let guest = siege.enter("first").await?;
    let mut told = Vec::new();
    for n in 0..30 {
        let document = siege.setup(
            &format!("flood-{n}"),
            &format!("flood-{n}"),
            &Operation::Create,
        );
        told.push(siege.told(&document).await?.0);
    }
    assert_eq!(told[..19], [200; 19], "{told:?}");
    // To be sent again; nothing else tells a buyer's system to try later.
    assert!(told[19..].iter().all(|code| *code == 560), "{told:?}");
    // By OCI it is the same partner.
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("USERNAME", USER)
        .append_pair("PASSWORD", PASSWORD);
    query.append_pair("HOOK_URL", &format!("{}/oci/cart", siege.site.url));
    let call = siege.url(&format!("/punchout/oci/acme-punchout?{}", query.finish()));
    let answer = answer_of(siege.http.get(&call)).await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    // A visit that is open goes on, one that was opened is answered again, and the other partner gets in.
    guest.add("SKU-0001", "2", "EA").await?;
    let again = siege.setup("flood-3", "flood-3", &Operation::Create);
    assert_eq!(siege.told(&again).await?.0, 200);
    let other = siege
        .buyer
        .send(&as_other(&siege.setup("other", "x", &Operation::Create)))
        .await?;
    let start = other
        .start
        .ok_or_else(|| anyhow::anyhow!("{}", other.document))?;
    Guest::enter(&siege.http, &start).await?;
    // When they have ended there is room again.
    time.advance(SignedDuration::from_hours(9));
    siege.enter("later").await?;
    siege.end().await
}
