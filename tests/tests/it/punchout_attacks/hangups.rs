//! Senders that are slow or hang up: what was sent whole is taken once, what was not is not.

use std::time::Duration;

use tests::{
    punchout::{CartItem, Order},
    until,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Siege;
use crate::findings::answer_of;

fn order(number: &str) -> Order {
    let item = CartItem {
        quantity: "1".to_owned(),
        part: "SKU-0001".to_owned(),
        unit_price: "1.00".to_owned(),
        currency: "USD".to_owned(),
        description: "anything".to_owned(),
        unit: "EA".to_owned(),
        class: "31171504".to_owned(),
        ..CartItem::default()
    };
    Order::of(number, &[item])
}

/// The request as it goes over the line.
fn request(siege: &Siege, document: &str) -> Vec<u8> {
    let host = siege
        .world
        .estate
        .experience_url
        .trim_start_matches("http://");
    let length = document.len();
    format!(
        "POST /punchout/cxml HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{document}"
    )
    .into_bytes()
}

/// The beginning of a request whose body is announced to be so long, and never comes.
async fn dribble(
    siege: &Siege,
    path: &str,
    media_type: &str,
    length: usize,
) -> anyhow::Result<TcpStream> {
    let host = siege
        .world
        .estate
        .experience_url
        .trim_start_matches("http://");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n<"
    );
    let mut stream = connect(siege).await?;
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test]
async fn senders_that_never_end_keep_nobody_waiting() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let oci = "/punchout/oci/acme-punchout";
    let form = "application/x-www-form-urlencoded";
    let mut slow = Vec::new();
    for length in [8_000_000, 60_000, 1_000_000] {
        // More than are read at once.
        for _ in 0..20 {
            slow.push(dribble(&siege, "/punchout/cxml", "text/xml", length).await?);
            slow.push(dribble(&siege, oci, form, length).await?);
        }
    }
    let status = siege.buyer.order("through", &order("THROUGH")).await?;
    assert_eq!(status.code, 200, "{}", status.document);
    siege.enter("through").await?;
    let call = siege.world.oci_buyer(&siege.site).call(&[]);
    let (address, query) = call.split_once('?').unwrap_or_default();
    let request = siege.http.post(address).header("Content-Type", form);
    let answer = answer_of(request.body(query.to_owned())).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    drop(slow);
    siege.end().await
}

async fn connect(siege: &Siege) -> anyhow::Result<TcpStream> {
    let host = siege
        .world
        .estate
        .experience_url
        .trim_start_matches("http://");
    Ok(TcpStream::connect(host).await?)
}

#[tokio::test]
async fn a_sender_that_hangs_up_after_sending_has_ordered_once() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    for n in 0..5 {
        let number = format!("GONE-{n}");
        let document = siege
            .buyer
            .order_document(&format!("gone-{n}"), &order(&number));
        let mut stream = connect(&siege).await?;
        stream.write_all(&request(&siege, &document)).await?;
        // Gone, with a reset where the answer would arrive.
        stream.set_zero_linger()?;
        drop(stream);
        // The sender comes back with the same, as it should, and is told what became of it.
        let first = siege.buyer.send(&document).await?;
        assert_eq!(first.code, 200, "{}", first.document);
        let again = siege.buyer.send(&document).await?;
        assert_eq!(first.document, again.document);
        until(&number, async || {
            Ok((siege.in_the_erp(&number) > 0).then_some(()))
        })
        .await?;
        assert_eq!(siege.in_the_erp(&number), 1);
    }
    siege.end().await
}

#[tokio::test]
async fn what_did_not_come_whole_is_no_order_and_what_comes_slowly_is() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let before = siege.snapshot().await?;
    let document = siege.buyer.order_document("half", &order("HALF"));
    let whole = request(&siege, &document);
    for end in [whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut stream = connect(&siege).await?;
        stream.write_all(&whole[..end]).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(siege.snapshot().await?, before);
    // A byte, a pause, and the rest.
    let mut stream = connect(&siege).await?;
    for part in whole.chunks(whole.len() / 8) {
        stream.write_all(part).await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.contains("<Status code=\"200\""), "{answer}");
    until("HALF", async || {
        Ok((siege.in_the_erp("HALF") > 0).then_some(()))
    })
    .await?;
    assert_eq!(siege.in_the_erp("HALF"), 1);
    siege.end().await
}
