//! Varnish: a cache before a slow upstream, with grace.

use std::{net::SocketAddr, path::Path};

use tests::processes::Ports;

use super::{PROBE, Running, from_debian, start};
use crate::machine::{Side, said};

/// As fresh for ten seconds, and answered for an hour more while it is asked for anew. What fails in the background changes nothing.
const VCL: &str = r#"vcl 4.1;
backend world {
  .host = "127.0.0.1"; .port = "{port}"; .connect_timeout = 5s; .first_byte_timeout = 60s; .between_bytes_timeout = 60s;
}
sub vcl_recv {
  if (req.url == "/up") { return (synth(200)); }
  unset req.http.authorization;
  return (hash);
}
sub vcl_backend_response {
  if (beresp.status >= 500 && bereq.is_bgfetch) { return (abandon); }
  set beresp.ttl = 10s;
  set beresp.grace = 1h;
}
sub vcl_backend_error {
  if (bereq.is_bgfetch) { return (abandon); }
}
"#;

/// A cache before an upstream that is slow.
pub(crate) async fn cache(
    ports: &mut Ports,
    folder: &Path,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    let program = from_debian("varnish", "varnishd").await?;
    std::fs::create_dir_all(folder)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    let file = folder.join("cache.vcl");
    std::fs::write(&file, VCL.replace("{port}", &world.port().to_string()))?;
    let (listen, file) = (address.to_string(), file.to_string_lossy());
    let work = folder.join("work");
    let work = work.to_string_lossy();
    // Without a jail: its other users could not read a folder that is this user's alone.
    let arguments = [
        "-j",
        "none",
        "-F",
        "-a",
        &listen,
        "-f",
        &file,
        "-n",
        &work,
        "-s",
        "malloc,64m",
    ];
    let kept = start(
        Side::Measured,
        (&program, &arguments),
        &[],
        address,
        (PROBE, folder.join("log")),
    )
    .await?;
    // `varnishd (varnish-7.1.1 revision …)`.
    let said = said(&program.to_string_lossy(), &["-V"]);
    let version = said.split(['-', ' ']).nth(2).unwrap_or_default().to_owned();
    Ok(Running {
        kept,
        address,
        version,
    })
}
