//! Orderway as it is run: its three programs above a sandbox, pinned where they are measured.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reqwest::Client;
use rustix::process::Signal;
use sandbox::{
    RunningSandbox,
    fault::{FaultPlan, LogPage},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::processes::{Binaries, Binary, Kept, Ports, Program, settings, until_up};

use crate::{
    contest::pids,
    machine::Side,
    tree::{proportional_kib, used},
};

/// What it runs with beside the committed configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Settings laid over all others.
    pub(crate) settings: Vec<(String, String)>,
    /// Items of the sandbox; 0 = 200.
    pub(crate) items: u32,
    /// Whether `system-apis` calls the ERP through the proxy that can slow it.
    pub(crate) through_proxy: bool,
    /// A database in place of a file.
    pub(crate) database: Option<String>,
}

impl Plan {
    /// Lays a setting over the files.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Budgets that are never what is measured.
    pub(crate) fn far_budgets(mut self) -> Self {
        for backend in ["ERP__MAIN", "WMS__WAREHOUSE", "CRM__CUSTOMERS"] {
            let name = format!("ORDERWAY_SYSTEM__{backend}__BUDGET");
            self = self
                .with(&format!("{name}__CALLS_PER_SECOND"), 5_000)
                .with(&format!("{name}__IN_FLIGHT"), 64);
        }
        self
    }
}

/// A start of `process-apis`, until they were ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) took: Duration,
    /// Processor time.
    pub(crate) used: Duration,
    pub(crate) memory_kib: u64,
}

/// What runs.
pub(crate) struct Estate {
    pub(crate) http: Client,
    /// Where each layer listens.
    pub(crate) system: String,
    pub(crate) process: String,
    pub(crate) experience: String,
    pub(crate) erp: String,
    pub(crate) wms: String,
    issuer: String,
    erp_proxy_control: String,
    /// From the backends up.
    pub(crate) layers: Vec<Kept>,
    sandbox: Option<Kept>,
    pub(crate) folder: tempfile::TempDir,
}

impl Estate {
    /// Starts everything, and waits until it is ready.
    pub(crate) async fn start(binaries: &Binaries, plan: &Plan) -> anyhow::Result<Self> {
        let mut ports = Ports::default();
        let mut estate = Self::planned(&mut ports)?;
        let mut command = Side::Load.pinned(binaries.path(Binary::Sandbox)?);
        let mut option = |name: &str, value: String| {
            command.push(name.into());
            command.push(value.into());
        };
        let mut urls = BTreeMap::new();
        for name in [
            "erp",
            "wms",
            "crm",
            "issuer",
            "erp-proxy",
            "wms-proxy",
            "crm-proxy",
            "erp-proxy-control",
            "wms-proxy-control",
            "crm-proxy-control",
        ] {
            let port = ports.take()?;
            option(&format!("--{name}-port"), port.to_string());
            urls.insert(name, format!("http://127.0.0.1:{port}"));
        }
        option("--items", plan.items.max(200).to_string());
        let news = format!("{}/v1/webhooks/warehouse", estate.system);
        option("--wms-news-url", news);
        let url = |name: &str| urls.get(name).cloned().unwrap_or_default();
        estate.sandbox = Some(Kept::start(Program {
            name: "sandbox".to_owned(),
            command,
            environment: BTreeMap::new(),
            log: estate.folder.path().join("sandbox.log"),
        }));
        until_up(&estate.http, &format!("{}/erp/control/calls", url("erp"))).await?;
        estate.erp = url("erp");
        estate.wms = url("wms");
        estate.issuer = url("issuer");
        estate.erp_proxy_control = url("erp-proxy-control");
        let erp = url(if plan.through_proxy {
            "erp-proxy"
        } else {
            "erp"
        });
        estate.start_layers(binaries, plan, &erp, &url("crm"))?;
        estate.ready().await?;
        Ok(estate)
    }

    /// Starts the layers above a sandbox of this process, of a world of its own, and waits until they are ready.
    pub(crate) async fn above(
        sandbox: &RunningSandbox,
        binaries: &Binaries,
        plan: &Plan,
    ) -> anyhow::Result<Self> {
        let mut estate = Self::planned(&mut Ports::default())?;
        estate.erp = sandbox.erp_url();
        estate.wms = sandbox.wms_url();
        estate.issuer = sandbox.issuer_url();
        estate.start_layers(binaries, plan, &sandbox.erp_url(), &sandbox.crm_url())?;
        estate.ready().await?;
        Ok(estate)
    }

    /// Of what nothing runs yet.
    fn planned(ports: &mut Ports) -> anyhow::Result<Self> {
        Ok(Self {
            http: Client::builder().no_proxy().build()?,
            system: ports.url()?,
            process: ports.url()?,
            experience: ports.url()?,
            erp: String::new(),
            wms: String::new(),
            issuer: String::new(),
            erp_proxy_control: String::new(),
            layers: Vec::new(),
            sandbox: None,
            folder: tempfile::tempdir()?,
        })
    }

    fn start_layers(
        &mut self,
        binaries: &Binaries,
        plan: &Plan,
        erp: &str,
        crm: &str,
    ) -> anyhow::Result<()> {
        let store = self.store();
        let store = match &plan.database {
            Some(url) => ("STORE__URL", url.clone()),
            None => ("STORE__PATH", store.to_string_lossy().into_owned()),
        };
        let system = settings::of_layer(
            "SYSTEM",
            [
                ("PROCESS__BASE_URL", self.process.clone()),
                ("ERP__MAIN__CONNECTOR__BASE_URL", erp.to_owned()),
                ("WMS__WAREHOUSE__CONNECTOR__BASE_URL", self.wms.clone()),
                ("CRM__CUSTOMERS__CONNECTOR__BASE_URL", crm.to_owned()),
            ],
        );
        let process = settings::of_layer(
            "PROCESS",
            [("SYSTEM__BASE_URL", self.system.clone()), store],
        );
        let experience = settings::of_experience(&self.experience, &self.process, &self.issuer);
        let partners = tests::root().join("config/partners");
        let partners = partners.to_string_lossy().into_owned();
        let experience = experience
            .into_iter()
            .chain(settings::of_layer(
                "EXPERIENCE",
                [("EDI__PARTNERS_DIR", partners)],
            ))
            .collect();
        for (binary, layer, url, own) in [
            (Binary::System, "SYSTEM", self.system.clone(), system),
            (Binary::Process, "PROCESS", self.process.clone(), process),
            (
                Binary::Experience,
                "EXPERIENCE",
                self.experience.clone(),
                experience,
            ),
        ] {
            let listen = url.trim_start_matches("http://").to_owned();
            let mut environment: BTreeMap<String, String> = own.into_iter().collect();
            environment.insert(format!("ORDERWAY_{layer}__LISTEN"), listen);
            environment.extend(plan.settings.iter().cloned());
            let mut command = Side::Measured.pinned(binaries.path(binary)?);
            command.push("--config-dir".into());
            command.push(tests::root().join("config"));
            self.layers.push(Kept::start(Program {
                name: binary.name().to_owned(),
                command,
                environment,
                log: self.folder.path().join(format!("{}.log", binary.name())),
            }));
        }
        Ok(())
    }

    /// The file of `process-apis`.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("process-apis.sqlite")
    }

    /// A setting of `process-apis` from their next start on.
    pub(crate) fn set(&self, name: &str, value: &str) {
        if let Some(process) = self.layers.get(1) {
            process.set_environment(name, Some(value));
        }
    }

    /// Ends the layers, from the top down, each as soon as it has done what it was at.
    pub(crate) async fn stop(&self) {
        for layer in self.layers.iter().rev() {
            layer.put_down(Signal::TERM).await;
        }
    }

    /// Starts the layers where they were ended.
    pub(crate) async fn start_again(&self) -> anyhow::Result<Started> {
        let [system, process, experience] = self.layers.as_slice() else {
            anyhow::bail!("there are three layers");
        };
        system.put_up().await?;
        until_up(&self.http, &format!("{}/readyz", self.system)).await?;
        process.put_up().await?;
        let begun = Instant::now();
        until_up(&self.http, &format!("{}/readyz", self.process)).await?;
        let (took, pid) = (begun.elapsed(), self.process_pid());
        let started = Started {
            took,
            used: used(&pid),
            memory_kib: proportional_kib(&pid),
        };
        experience.put_up().await?;
        self.ready().await?;
        Ok(started)
    }

    /// Waits until every layer is ready.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        for (layer, url) in self
            .layers
            .iter()
            .zip([&self.system, &self.process, &self.experience])
        {
            if let Err(error) = until_up(&self.http, &format!("{url}/readyz")).await {
                let said = layer.last_lines(20).join("\n");
                return Err(error.context(format!("{} is not ready\n{said}", layer.name())));
            }
        }
        Ok(())
    }

    /// The processes of the three layers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        pids(&self.layers)
    }

    /// The process of `process-apis` alone.
    pub(crate) fn process_pid(&self) -> Vec<u32> {
        self.layers.get(1..2).map(pids).unwrap_or_default()
    }

    /// A token of the sandbox's issuer, good for a quarter of an hour.
    pub(crate) async fn token(&self, client: &str) -> anyhow::Result<String> {
        let secret = format!("{client}-secret");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret.as_str()),
        ];
        let url = format!("{}/token", self.issuer);
        let answer = self.http.post(url).form(&form).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token.context("no token")?.to_owned())
    }

    /// What the proxy before the ERP does from now on.
    pub(crate) async fn erp_does(&self, plan: &FaultPlan) -> anyhow::Result<()> {
        let url = format!("{}/__fault/rules", self.erp_proxy_control);
        let answer = self.http.put(url).json(plan).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Milliseconds at which calls reached the proxy before the ERP.
    pub(crate) async fn erp_calls(&self) -> anyhow::Result<Vec<u64>> {
        let mut calls: Vec<u64> = Vec::new();
        let mut since = 0;
        loop {
            let url = format!("{}/__fault/log?since={since}", self.erp_proxy_control);
            let page: LogPage = self.http.get(url).send().await?.json().await?;
            let Some(last) = page.entries.last() else {
                return Ok(calls);
            };
            since = last.sequence;
            calls.extend(page.entries.iter().map(|call| call.at_ms));
        }
    }

    /// Nobody is short of credit, and of nothing there is too little.
    pub(crate) async fn plenty(&self, items: &[String]) -> anyhow::Result<()> {
        for account in ["ACME", "ACME-WEST", "BOREALIS"] {
            let url = format!("{}/erp/control/accounts/{account}", self.erp);
            self.put(&url, &json!({"credit_limit": null})).await?;
        }
        for item in items {
            let on_hand = "1000000000";
            let body = json!({"item": item, "site": "EAST", "on_hand": on_hand, "safety": "0", "reserved": "0"});
            self.put(&format!("{}/erp/control/stock", self.erp), &body)
                .await?;
            let body = json!({"skuCode": item, "siteCode": "EAST", "qtyOnHand": on_hand});
            self.put(&format!("{}/wms/control/stock", self.wms), &body)
                .await?;
        }
        Ok(())
    }

    /// The floor of the warehouse picks, packs and ships all that it was asked for.
    pub(crate) async fn ship(&self) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pick {
            pick_request_id: String,
        }
        let all = format!("{}/wms/control/pickRequests", self.wms);
        let picks: Vec<Pick> = self.http.get(&all).send().await?.json().await?;
        for Pick { pick_request_id } in picks {
            for step in ["pick", "pack", "ship"] {
                let url = format!("{all}/{pick_request_id}/{step}");
                self.http.post(url).send().await?.error_for_status()?;
            }
        }
        Ok(())
    }

    async fn put(&self, url: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self.http.put(url).json(body).send().await?;
        answer.error_for_status()?;
        Ok(())
    }
}
