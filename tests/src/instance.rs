//! A second instance of process-apis and of experience-apis beside those of a world, on one store.
//!
//! Each pair has a runtime of its own, so that it can end as a killed process does: at once, and without a word.

use std::net::SocketAddr;

use anyhow::Context as _;
use process_apis::policy::Policies;
use service_runtime::{
    config::{Environment, load},
    server::{self, ServerOptions},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use crate::{PortalUser, World, root};

/// What the second process-apis do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Whole,
    /// Requests only: what follows from them is done by the other instance.
    RequestsOnly,
}

/// The second instances.
#[derive(Debug)]
pub struct Instance {
    runtime: Option<Runtime>,
    process_url: String,
    experience_url: String,
}

impl Instance {
    /// Starts them beside the world's, on the same store.
    pub async fn start(world: &World, store_url: &str, role: Role) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let system_url = world.estate.system_url.clone();
        let issuer = world.estate.sandbox.issuer_url();
        let store_url = store_url.to_owned();
        let started = runtime.spawn(async move {
            let process_url = start_process(&system_url, &store_url, role).await?;
            let experience_url = start_experience(&process_url, &issuer).await?;
            anyhow::Ok((process_url, experience_url))
        });
        let (process_url, experience_url) = started.await??;
        Ok(Self {
            runtime: Some(runtime),
            process_url,
            experience_url,
        })
    }

    /// The same user, calling here.
    pub fn portal_user(
        &self,
        world: &World,
        client: &str,
        account: &str,
    ) -> anyhow::Result<PortalUser> {
        let token = world.estate.sandbox.issuer.forge().token(client)?;
        Ok(PortalUser::new(
            world.http.clone(),
            &self.experience_url,
            token,
            account,
        ))
    }

    /// Where its process-apis are.
    pub fn process_url(&self) -> &str {
        &self.process_url
    }

    /// Ends both as if the machine had gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end();
    }
}

async fn start_process(system_url: &str, store_url: &str, role: Role) -> anyhow::Result<String> {
    let environment = Environment::from([
        ("ORDERWAY_PROCESS__LOG__LEVEL", "off"),
        ("ORDERWAY_PROCESS__SYSTEM__BASE_URL", system_url),
        ("ORDERWAY_PROCESS__STORE__URL", store_url),
    ]);
    let config_dir = root().join("config");
    let config = load(process_apis::LAYER, Some(&config_dir), &environment)?;
    let deps = process_apis::Deps {
        policies: Policies::load(Some(&config_dir))?,
        ..process_apis::Deps::default()
    };
    let (router, background) = process_apis::build(config, deps).await?;
    let (listener, url) = listen().await?;
    match role {
        Role::Whole => drop(tokio::spawn(background.run(CancellationToken::new()))),
        // Kept, and never run: its store lives as long as the instance.
        Role::RequestsOnly => drop(tokio::spawn(async move {
            let _kept = background;
            std::future::pending::<()>().await;
        })),
    }
    let options = process_apis::server_options();
    tokio::spawn(server::serve(
        listener,
        router,
        options,
        std::future::pending(),
    ));
    Ok(url)
}

async fn start_experience(process_url: &str, issuer: &str) -> anyhow::Result<String> {
    let issuers = format!(
        "[{{ issuer = \"{issuer}\", audience = \"orderway\", algorithm = \"ES256\", \
         keys = {{ jwks_url = \"{issuer}/jwks.json\" }} }}]"
    );
    let environment = Environment::from([
        ("ORDERWAY_EXPERIENCE__LOG__LEVEL", "off"),
        ("ORDERWAY_EXPERIENCE__DEVELOPMENT", "true"),
        ("ORDERWAY_EXPERIENCE__PROCESS__BASE_URL", process_url),
        (
            "ORDERWAY_EXPERIENCE__CONTEXT__PROCESS_KEY",
            "development-only-experience-to-process-key",
        ),
        ("ORDERWAY_EXPERIENCE__ISSUERS", &issuers),
    ]);
    let config_dir = root().join("config");
    let config = load(experience_apis::LAYER, Some(&config_dir), &environment)?;
    let (router, background) = experience_apis::build(config, experience_apis::Deps::default())?;
    let (listener, url) = listen().await?;
    tokio::spawn(background.run(CancellationToken::new()));
    let options = ServerOptions::default();
    tokio::spawn(server::serve(
        listener,
        router,
        options,
        std::future::pending(),
    ));
    Ok(url)
}

async fn listen() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr().context("the listener's address")?;
    Ok((listener, format!("http://{address}")))
}
