//! A real browser: Chromium without a window, driven over WebDriver, with a profile of its own that is gone with it.

use std::{
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;
use thirtyfour::{
    ChromeCapabilities, ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver, WebElement,
    prelude::{By, ElementQueryable as _},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::needs::Chromium;

/// A deadline of liveness: what has not come by then never comes.
const LONGEST: Duration = Duration::from_secs(30);
/// How often a driver is asked for a port.
const PORTS: u32 = 3;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Nothing asks another host, and nothing differs between machines.
const ARGUMENTS: [&str; 17] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-device-scale-factor=1",
    "--lang=en-US",
    "--disable-lcd-text",
    "--hide-scrollbars",
    "--window-size=1000,800",
];

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JavaScript {
    /// As most do.
    On,
    /// As some must.
    Off,
}

/// A running browser with one window.
pub struct Browser {
    // Never told to quit: it would wait for an answer; its session ends with its driver.
    driver: ManuallyDrop<WebDriver>,
    _processes: Processes,
    profile: TempDir,
}

impl Browser {
    /// Starts one.
    pub async fn start(chromium: &Chromium, javascript: JavaScript) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let (processes, port) = start_driver(chromium, profile.path()).await?;
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&chromium.browser.to_string_lossy())?;
        for argument in ARGUMENTS {
            capabilities.add_arg(argument)?;
        }
        let folder = profile.path().join("profile");
        capabilities.add_arg(&format!("--user-data-dir={}", folder.display()))?;
        if javascript == JavaScript::Off {
            forbid_javascript(&mut capabilities)?;
        }
        let client = reqwest::Client::builder().no_proxy();
        let client = client.timeout(LONGEST + LONGEST).build()?;
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
            .client(client)
            .connect()
            .await?;
        Ok(Self {
            driver: ManuallyDrop::new(driver),
            _processes: processes,
            profile,
        })
    }

    /// The folder of its profile, which every process of it names.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        Ok(self.driver.goto(url).await?)
    }

    /// Where it is.
    pub async fn address(&self) -> anyhow::Result<String> {
        Ok(self.driver.current_url().await?.to_string())
    }

    /// The title of the page.
    pub async fn title(&self) -> anyhow::Result<String> {
        Ok(self.driver.title().await?)
    }

    /// What can be read on the page, or in the frame.
    pub async fn text(&self) -> anyhow::Result<String> {
        Ok(self.find("//body", "a page").await?.text().await?)
    }

    /// The source of the page, or of the frame.
    pub async fn source(&self) -> anyhow::Result<String> {
        Ok(self.driver.source().await?)
    }

    /// Waits until a text can be read.
    pub async fn see(&self, text: &str) -> anyhow::Result<()> {
        let what = format!("'{text}' on the page");
        let seen = crate::until(&what, async || {
            // A page that is just being left has no text to give.
            let read = self.text().await.unwrap_or_default();
            Ok(read.contains(text).then_some(()))
        });
        match seen.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let read = self.text().await.unwrap_or_default();
                let address = self.address().await.unwrap_or_default();
                Err(error.context(format!("{address} shows: {read}")))
            }
        }
    }

    /// Follows a link by its text.
    pub async fn follow(&self, text: &str) -> anyhow::Result<()> {
        let text = quoted(text);
        let link = format!("//a[normalize-space()={text} or @aria-label={text}]");
        self.click(&link, &text).await
    }

    /// Follows the first link of a kind.
    pub async fn follow_first(&self, xpath: &str) -> anyhow::Result<()> {
        self.click(xpath, "link").await
    }

    /// Presses a button by its text.
    pub async fn press(&self, text: &str) -> anyhow::Result<()> {
        let text = quoted(text);
        // What is hidden from people who do not see it is for none.
        let shown = "not(ancestor-or-self::*[@aria-hidden='true'])";
        let button = format!(
            "//button[{shown} and (normalize-space()={text} or @aria-label={text})] \
             | //input[@type='submit' and @value={text}]"
        );
        self.click(&button, &text).await
    }

    /// Writes into a field by its label, in place of what was there.
    pub async fn fill(&self, label: &str, value: &str) -> anyhow::Result<()> {
        let field = self.field(label).await?;
        field.clear().await?;
        Ok(field.send_keys(value).await?)
    }

    /// What a field holds, by its label.
    pub async fn value(&self, label: &str) -> anyhow::Result<String> {
        let field = self.field(label).await?;
        Ok(field.prop("value").await?.unwrap_or_default())
    }

    async fn field(&self, label: &str) -> anyhow::Result<WebElement> {
        let text = quoted(label);
        let labelled = format!(
            "//*[@id=//label[normalize-space()={text}]/@for] | //label[normalize-space()={text}]//input \
             | //input[@aria-label={text}]"
        );
        self.find(&labelled, label).await
    }

    /// How many elements there are.
    pub async fn count(&self, xpath: &str) -> anyhow::Result<usize> {
        Ok(self.driver.find_all(By::XPath(xpath)).await?.len())
    }

    async fn click(&self, xpath: &str, what: &str) -> anyhow::Result<()> {
        let element = self.find(xpath, what).await?;
        Ok(element.click().await?)
    }

    async fn find(&self, xpath: &str, what: &str) -> anyhow::Result<WebElement> {
        let query = self
            .driver
            .query(By::XPath(xpath))
            .wait(LONGEST, LOOK_EVERY);
        match query.first().await {
            Ok(found) => Ok(found),
            Err(error) => {
                let address = self.address().await.unwrap_or_default();
                let source = self.source().await.unwrap_or_default();
                Err(error).with_context(|| format!("no {what} at {address}: {source}"))
            }
        }
    }

    /// Goes into the page's only frame.
    pub async fn enter_frame(&self) -> anyhow::Result<()> {
        let frame = self.find("//iframe", "frame").await?;
        Ok(frame.enter_frame().await?)
    }

    /// Comes back to the page itself.
    pub async fn leave_frame(&self) -> anyhow::Result<()> {
        Ok(self.driver.enter_default_frame().await?)
    }

    /// Runs a script in the page, or in the frame, and gives what it hands to its last argument.
    pub async fn run(&self, script: &str) -> anyhow::Result<Value> {
        let answer = self.driver.execute_async(script.to_owned(), Vec::new());
        Ok(answer.await?.json().clone())
    }

    /// From now on, what is asked for under these addresses (`*` = anything) does not come.
    pub async fn block(&self, addresses: &[&str]) -> anyhow::Result<()> {
        let cdp = self.driver.cdp();
        let nothing = serde_json::json!({});
        cdp.send_raw("Network.enable", nothing).await?;
        let blocked = serde_json::json!({"urls": addresses});
        cdp.send_raw("Network.setBlockedURLs", blocked).await?;
        Ok(())
    }

    /// Puts a picture of the window into the folder that `ORDERWAY_SCREENSHOTS` names, if it does.
    pub async fn picture(&self, name: &str) -> anyhow::Result<()> {
        let Some(folder) = std::env::var_os("ORDERWAY_SCREENSHOTS") else {
            return Ok(());
        };
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder)?;
        let png = self.driver.screenshot_as_png().await?;
        Ok(std::fs::write(folder.join(format!("{name}.png")), png)?)
    }
}

/// The group of a driver, in which its browser runs too. Dropping it, also in a panic, ends them all.
struct Processes {
    group: Pid,
    _driver: Child,
}

impl Processes {
    fn of(driver: Child) -> anyhow::Result<Self> {
        let id = driver.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw);
        Ok(Self {
            group: group.context("the driver ended at once")?,
            _driver: driver,
        })
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let _ended_before = kill_process_group(self.group, Signal::KILL);
    }
}

/// A driver, and the port at which it listens.
///
/// It takes a port that is free on one of its two addresses and ends where somebody else has it on the other: then another
/// is asked for.
async fn start_driver(chromium: &Chromium, profile: &Path) -> anyhow::Result<(Processes, u16)> {
    for _ in 0..PORTS {
        let mut process = Command::new(&chromium.driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env("HOME", profile)
            .env("XDG_CONFIG_HOME", profile)
            .env("XDG_CACHE_HOME", profile)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take();
        let processes = Processes::of(process)?;
        let told = port_of(output.context("the driver has no output")?).await?;
        if let Some(port) = told {
            return Ok((processes, port));
        }
    }
    anyhow::bail!("the driver ended without a port, {PORTS} times")
}

/// The port that a driver says it took; None = it ended without one.
async fn port_of(output: ChildStdout) -> anyhow::Result<Option<u16>> {
    let mut lines = BufReader::new(output).lines();
    let looking = async {
        while let Some(line) = lines.next_line().await? {
            let said = line.split("started successfully on port ").nth(1);
            if let Some(port) = said {
                return anyhow::Ok(Some(port.trim_end_matches('.').parse::<u16>()?));
            }
        }
        Ok(None)
    };
    let port = tokio::time::timeout(LONGEST, looking).await??;
    // What it says later is read, so that it never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_line)) = lines.next_line().await {} });
    Ok(port)
}

fn forbid_javascript(capabilities: &mut ChromeCapabilities) -> anyhow::Result<()> {
    let block = serde_json::json!({"profile.managed_default_content_settings.javascript": 2});
    Ok(capabilities.add_experimental_option("prefs", block)?)
}

/// A text as XPath writes it.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}
