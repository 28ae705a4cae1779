//! The fault proxy delivers late, twice, out of order, and in part: what the caller sees, what the ERP got, what the log
//! says.

use std::time::Duration;

use sandbox::RunningSandbox;
use sandbox::fault::{
    CallRecord, Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule, Latency, Outcome,
};

use crate::support::{erp, order, start, try_erp};

const CREATE: &str = "/erp/call/SALESORDER_CREATE";
const AT_ONCE: Latency = Latency::Fixed { ms: 0 };

async fn proxied(fault: Fault) -> (RunningSandbox, FaultProxy) {
    let sandbox = start().await;
    let rule = FaultRule::new(CREATE, fault).times(1);
    let config = FaultConfig {
        plan: FaultPlan {
            seed: 7,
            subject: Some("/XREF".to_owned()),
            ..FaultPlan::of_rules(vec![rule])
        },
        ..FaultConfig::default()
    };
    let proxy = FaultProxy::start(&sandbox.erp_url(), config)
        .await
        .expect("free ports");
    (sandbox, proxy)
}

/// Waits until the log shows it; a deadline of liveness.
async fn logged(proxy: &FaultProxy, shows: impl Fn(&CallRecord) -> bool) -> CallRecord {
    let looking = async {
        loop {
            if let Some(found) = proxy.log().into_iter().find(|call| shows(call)) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(60);
    tokio::time::timeout(deadline, looking)
        .await
        .expect("the log shows it")
}

#[tokio::test]
async fn a_ghost_reaches_the_erp_after_its_caller_has_given_up() {
    let (sandbox, proxy) = proxied(Fault::DeliverLate {
        after: Latency::Fixed { ms: 300 },
        hold_ms: 0,
    })
    .await;
    let lost = try_erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
    lost.expect_err("no answer");
    let call = proxy.log().remove(0);
    assert_eq!((call.outcome, call.status), (Outcome::Faulted, None));
    assert_eq!(call.fault.as_deref(), Some("deliver_late"));
    assert!(!call.reached_backend, "not by this call");

    let ghost = logged(&proxy, |call| {
        call.repeat_of.is_some() && call.status == Some(200)
    })
    .await;
    assert_eq!(ghost.repeat_of, Some(call.sequence));
    assert!(ghost.at_ms >= call.at_ms + 300, "{ghost:?}");
    assert_eq!(sandbox.erp.orders_by_reference("R1").len(), 1);
    let stats = proxy.stats();
    assert_eq!((stats.calls, stats.forwarded, stats.repeats), (1, 1, 1));
    assert_eq!(stats.in_flight, 0);
}

#[tokio::test]
async fn a_duplicate_is_two_orders_and_one_answer() {
    let (sandbox, proxy) = proxied(Fault::Duplicate { after: AT_ONCE }).await;
    let answer = erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
    let again = logged(&proxy, |call| {
        call.repeat_of == Some(1) && call.status == Some(200)
    })
    .await;
    let first = proxy.log().remove(0);
    assert_eq!(first.subject.as_deref(), Some("R1"));
    assert_eq!(again.subject, first.subject, "both say what they are about");
    let orders = sandbox.erp.orders_by_reference("R1");
    assert_eq!(orders.len(), 2, "the ERP of this class makes two of them");
    assert!(orders.iter().any(|order| answer["VBELN"] == order.number));
}

#[tokio::test]
async fn an_answer_breaks_off_although_it_was_done() {
    for at in [Some(0), Some(7), Some(1_000_000), None] {
        let (sandbox, proxy) = proxied(Fault::Truncate { at }).await;
        let lost = try_erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
        let error = lost.expect_err("the answer is cut");
        assert!(error.is_body() || error.is_decode(), "{at:?}: {error:?}");
        assert_eq!(sandbox.erp.orders_by_reference("R1").len(), 1);
        let call = logged(&proxy, |call| call.outcome == Outcome::Faulted).await;
        let cut = call.cut_at.expect("it is written down");
        assert!(cut < call.response_bytes, "{call:?}");
        if let Some(at) = at {
            assert_eq!(cut, at.min(call.response_bytes - 1));
        }
    }
}

#[tokio::test]
async fn a_later_call_overtakes() {
    let (sandbox, proxy) = proxied(Fault::Reorder {
        behind: 1,
        hold_ms: 600_000,
    })
    .await;
    let url = proxy.url();
    let first = tokio::spawn(async move { erp(&url, "SALESORDER_CREATE", order("FIRST")).await });
    logged(&proxy, |call| call.sequence == 1).await;
    let second = erp(&proxy.url(), "SALESORDER_CREATE", order("SECOND")).await;
    let first = first.await.expect("an answer");
    assert_eq!(second["VBELN"], "0000100001");
    assert_eq!(first["VBELN"], "0000100002");
    assert_eq!(sandbox.erp.orders().len(), 2);
}

#[tokio::test]
async fn whom_nobody_overtakes_goes_on_alone() {
    let (sandbox, proxy) = proxied(Fault::Reorder {
        behind: 1,
        hold_ms: 1,
    })
    .await;
    erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
    assert_eq!(sandbox.erp.orders_by_reference("R1").len(), 1);
}
