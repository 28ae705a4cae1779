//! Readers of X12 in other languages: each reads a document again and again, and tells the processor time of one. None of them
//! writes an answer.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{done, from_npm, from_python};
use crate::machine::Side;

const NODE_X12: &str = "node-x12@1.7.1";
const PYX12: &str = "pyx12==4.0.0";

/// Its parser, strict: it throws at what is wrong with the envelope. The processor time is that of all threads.
const NODE: &str = r"
const { readFileSync } = require('node:fs');
const { X12Parser } = require('node-x12');
const [file, millis] = [process.argv[2], Number(process.argv[3])];
const text = readFileSync(file, 'utf8');
const one = () => new X12Parser(true).parse(text);
if (!one().getFunctionalGroups && !one().functionalGroups) throw new Error('nothing was read');
let begun = process.hrtime.bigint();
const elapsed = () => Number(process.hrtime.bigint() - begun) / 1e6;
let batch = 0;
while (elapsed() < millis) { one(); batch += 1; }
batch = Math.max(1, Math.floor(batch / 100));
begun = process.hrtime.bigint();
const before = process.cpuUsage();
let documents = 0;
while (elapsed() < millis) {
  for (let index = 0; index < batch; index += 1) one();
  documents += batch;
}
const used = process.cpuUsage(before);
console.log(Math.round((used.user + used.system) * 1000 / documents));
";

/// Its reader checks the envelope; no map of the document is read.
const PYTHON: &str = r"
import io, sys, time
import pyx12.x12file
file, millis = sys.argv[1], int(sys.argv[2])
text = open(file).read()
def one():
    segments = 0
    for _ in pyx12.x12file.X12Reader(io.StringIO(text)):
        segments += 1
    return segments
assert one() > 5
end = time.monotonic() + millis / 1000
while time.monotonic() < end:
    one()
before, documents, end = time.process_time_ns(), 0, time.monotonic() + millis / 1000
while time.monotonic() < end:
    one()
    documents += 1
print((time.process_time_ns() - before) // documents)
";

/// A reader that is installed.
pub(crate) struct Reader {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The program and its script.
    command: [PathBuf; 2],
}

/// node-x12.
pub(crate) async fn node(cache: &Path) -> anyhow::Result<Reader> {
    let folder = from_npm(cache, &[NODE_X12]).await?;
    let script = folder.join("read.js");
    std::fs::write(&script, NODE)?;
    Ok(Reader {
        name: "node-x12",
        version: "1.7.1",
        command: ["node".into(), script],
    })
}

/// pyx12.
pub(crate) async fn python(cache: &Path) -> anyhow::Result<Reader> {
    let folder = from_python(cache, &[PYX12]).await?;
    let script = folder.join("read.py");
    std::fs::write(&script, PYTHON)?;
    Ok(Reader {
        name: "pyx12",
        version: "4.0.0",
        command: [folder.join("bin/python"), script],
    })
}

impl Reader {
    /// The processor time of a document in ns.
    pub(crate) async fn read(&self, file: &Path, millis: u64) -> anyhow::Result<u64> {
        let [program, script] = &self.command;
        let mut pinned = Side::Measured.pinned(program).into_iter();
        let mut command = Command::new(pinned.next().unwrap_or_default());
        command.args(pinned).arg(script).arg(file);
        let said = done(command.arg(millis.to_string())).await?;
        Ok(said.parse()?)
    }
}
