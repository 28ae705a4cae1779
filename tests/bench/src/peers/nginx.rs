//! nginx: three hops in one process, and a cache before a slow upstream.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tests::processes::Ports;

use super::{PROBE, Running, from_debian, start};
use crate::machine::{Side, said};

/// What both have in common: one process, nothing logged, connections that stay. A worker of its own would outlive a master that
/// is killed.
const COMMON: &str = r"
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; tcp_nodelay on; keepalive_timeout 600s; keepalive_requests 1000000000; client_max_body_size 2m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffers 8 32k; proxy_buffer_size 32k;
  proxy_cache_path {folder}/kept levels=1:2 keys_zone=kept:10m inactive=1h use_temp_path=off;
";

/// A token map and a limit before a hop before a cache that is warm.
const HOPS: &str = r"
  map $http_authorization $known { default 0; 'Bearer none' 1; }
  limit_req_zone $http_authorization zone=callers:1m rate=100000r/s;
  upstream world { server {world}; keepalive 64; keepalive_requests 1000000000; }
  upstream inner { server {inner}; keepalive 64; keepalive_requests 1000000000; }
  upstream middle { server {middle}; keepalive 64; keepalive_requests 1000000000; }
  server { listen {outer};
    location = /up { return 200; }
    location / { if ($known = 0) { return 401; } limit_req zone=callers burst=100000 nodelay; proxy_pass http://middle; }
  }
  server { listen {middle}; location / { proxy_pass http://inner; } }
  server { listen {inner}; location / { proxy_cache kept; proxy_cache_valid 200 1h; proxy_pass http://world; } }
}
";

/// One asks for a page that is not kept, the others wait for it; what is too old is answered while it is asked for anew.
const CACHE: &str = r"
  upstream world { server {world} max_fails=0; keepalive 64; keepalive_requests 1000000000; }
  server { listen {outer};
    location = /up { return 200; }
    location / {
      proxy_cache kept; proxy_cache_valid 200 10s; proxy_cache_lock on; proxy_cache_lock_timeout 60s;
      proxy_cache_lock_age 60s; proxy_cache_background_update on;
      proxy_cache_use_stale updating error timeout invalid_header http_500 http_502 http_503 http_504;
      proxy_read_timeout 60s; proxy_pass http://world;
    }
  }
}
";

/// Three hops, the innermost with the pages of an upstream in its cache.
pub(crate) async fn three_hops(
    ports: &mut Ports,
    folder: &Path,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    let inner = format!("127.0.0.1:{}", ports.take()?);
    let middle = format!("127.0.0.1:{}", ports.take()?);
    let text = HOPS.replace("{inner}", &inner).replace("{middle}", &middle);
    serve(ports, folder, &text, world).await
}

/// A cache before an upstream that is slow.
pub(crate) async fn cache(
    ports: &mut Ports,
    folder: &Path,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    serve(ports, folder, CACHE, world).await
}

async fn serve(
    ports: &mut Ports,
    folder: &Path,
    text: &str,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    let program = from_debian("nginx", "nginx").await?;
    std::fs::create_dir_all(folder)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    let text = format!("{COMMON}{text}")
        .replace("{folder}", &folder.to_string_lossy())
        .replace("{outer}", &address.to_string())
        .replace("{world}", &world.to_string());
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    let (file, place) = (file.to_string_lossy(), folder.to_string_lossy());
    let log: PathBuf = folder.join("log");
    let kept = start(
        Side::Measured,
        (&program, &["-p", &place, "-c", &file]),
        &[],
        address,
        (PROBE, log),
    )
    .await?;
    let version = said(&program.to_string_lossy(), &["-v"]);
    let version = version.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Running {
        kept,
        address,
        version,
    })
}
