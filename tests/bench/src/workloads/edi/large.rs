//! An interchange of 64 MiB: what it takes to read it, and what becomes of it where the channel has its limit.

use std::path::Path;

use anyhow::Context as _;
use tests::processes::Binaries;

use super::{
    interchange::{ordinary, within, wordy},
    own,
    work::most_resident_kib,
};
use crate::{
    estate::{Estate, Plan},
    figures::{Ratio, mebibytes},
    report::{Goal, Report, Table},
};

const LARGE: usize = 64 * 1024 * 1024;
/// Bounded: beside the file itself, at most three times as much.
const BOUND: Ratio = Ratio::hundredths(400);
/// Lines of the largest order that the channel takes: below its 8 MiB, and below the reader's 200,000 segments.
const TAKEN: usize = 90_000;

/// Reads it in processes of its own, and sends it to the channel.
pub(super) async fn look(
    binaries: &Binaries,
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut goals = Vec::new();
    let (ordinary_text, ordinary_lines) = within(LARGE, ordinary);
    let (wordy_text, wordy_lines) = within(LARGE, wordy);
    let file = folder.join("large.x12");
    for (text, lines, shape) in [
        (&wordy_text, wordy_lines, "long segments"),
        (&ordinary_text, ordinary_lines, "ordinary segments"),
    ] {
        std::fs::write(&file, text)?;
        for (options, how) in [
            (&[][..], "envelope and segments"),
            (&["--to-orders"][..], "to the order and the 997"),
            (
                &["--unlimited"][..],
                "envelope and segments, without a limit of segments",
            ),
        ] {
            let mut arguments = vec!["once".as_ref(), file.as_os_str()];
            arguments.extend(options.iter().map(|option| std::ffi::OsStr::new(*option)));
            let said = own(&arguments).await?;
            let fields: Vec<&str> = said.split_whitespace().collect();
            let [most, segments, read, status] = fields.as_slice() else {
                anyhow::bail!("a reader says {said}");
            };
            let most: u64 = most.parse()?;
            let size = u64::try_from(text.len().div_ceil(1024))?;
            let ratio = Ratio::of(most, size);
            if options.is_empty() {
                goals.push(Goal::at_most(
                    format!("64 MiB, {shape}: most memory of its reader to the file"),
                    ratio,
                    BOUND,
                ));
            }
            let verdict = match *status {
                "R" => "refused",
                _ => "accepted",
            };
            rows.push(vec![
                format!("{lines} lines, {shape}"),
                how.to_owned(),
                format!("{verdict} after {segments} segments, {read} lines of orders"),
                mebibytes(most),
                ratio.map_or_else(String::new, |ratio| ratio.to_string()),
            ]);
        }
    }
    report.goals.extend(goals);
    report.tables.push(Table {
        title: "An interchange of 64 MiB, read in a process of its own".to_owned(),
        head: [
            "interchange",
            "read",
            "outcome",
            "most MiB (VmHWM)",
            "to the file",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    });
    let taken = ordinary(TAKEN);
    match sent(binaries, [ordinary_text, taken]).await {
        Ok(table) => report.tables.push(table),
        Err(error) => report
            .left_out
            .push(format!("a large interchange by HTTP: {error:#}")),
    }
    Ok(())
}

/// What becomes of files that are sent to the channel as it runs.
async fn sent(binaries: &Binaries, files: [String; 2]) -> anyhow::Result<Table> {
    let estate = Estate::start(binaries, &Plan::default().far_budgets()).await?;
    let process = estate
        .pids()
        .last()
        .context("experience-apis run")?
        .to_string();
    let most = || most_resident_kib(&process).context("the kernel tells no peak");
    let mut rows = Vec::new();
    for file in files {
        let size = u64::try_from(file.len())? / 1024;
        let before = most()?;
        let url = format!("{}/edi/v1/acme-edi/interchanges", estate.experience);
        let asked = estate
            .http
            .post(url)
            .basic_auth("acme-edi", Some("acme-edi-demo"))
            .header("content-type", "application/edi-x12")
            .timeout(std::time::Duration::from_secs(60))
            .body(file);
        let answer = match asked.send().await {
            Ok(answer) => answer.status().to_string(),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        // What is done with its orders goes on after the answer.
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let after = most()?;
        rows.push(vec![
            mebibytes(size),
            answer,
            mebibytes(before),
            mebibytes(after),
            mebibytes(after.saturating_sub(before)),
        ]);
    }
    Ok(Table {
        title: "Sent to experience-apis, whose `edi.max_body` is 8 MiB".to_owned(),
        head: [
            "MiB sent",
            "answer",
            "most MiB (VmHWM) before",
            "and after",
            "growth",
        ]
        .map(str::to_owned)
        .into(),
        rows,
    })
}
