//! Which addresses may be called that somebody else has named: public ones, over TLS, at agreed ports. Judged twice, as
//! text before the call and as addresses inside the connection.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use url::{Host, Url};

/// The longest address that is taken.
pub const MOST_URL: usize = 2_048;

/// Why an address is not called. It says nothing of what was found behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefused {
    /// It is no absolute URL with a host, or holds characters that have no place in one.
    #[error("give an absolute https URL of at most {MOST_URL} characters")]
    NotAUrl,
    /// Another scheme than https.
    #[error("give an https URL")]
    Scheme,
    /// It holds a user's name or a secret.
    #[error("give the URL without user name and password")]
    UserInfo,
    /// A port that is not agreed.
    #[error("use a port that is allowed here; 443 is")]
    Port,
    /// It is, or leads to, an address that is not public.
    #[error("give a host that is reached over the public internet")]
    NotPublic,
}

/// The rule: which ports, and whether this machine itself may be called (development and tests only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Ports that may be called.
    pub ports: BTreeSet<u16>,
    /// Loopback may be called too, at any port and without TLS.
    pub loopback: bool,
}

impl Targets {
    /// The address, if its text may be called. A name is judged again by what it resolves to.
    pub fn check(&self, text: &str) -> Result<Url, TargetRefused> {
        // What a parser would silently drop or mend is not taken: two readers might mend it differently.
        let clean = text.len() <= MOST_URL
            && text
                .chars()
                .all(|one| !one.is_control() && !one.is_whitespace() && one != '\\');
        let url = Url::parse(text).ok().filter(|_| clean);
        let url = url.ok_or(TargetRefused::NotAUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(TargetRefused::Scheme);
        }
        let host = url.host().ok_or(TargetRefused::NotAUrl)?;
        let authority = text.split("//").nth(1).unwrap_or_default();
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(TargetRefused::UserInfo);
        }
        let is_loopback = self.judge_host(&host)?;
        if is_loopback {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(TargetRefused::Scheme);
        }
        let port = url.port_or_known_default();
        if port.is_none_or(|port| !self.ports.contains(&port)) {
            return Err(TargetRefused::Port);
        }
        Ok(url)
    }

    /// Whether the host is this machine, where that is allowed.
    fn judge_host(&self, host: &Host<&str>) -> Result<bool, TargetRefused> {
        let address = match host {
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
            Host::Domain(name) => return self.judge_name(name),
        };
        self.judge_address(address)?;
        Ok(!is_public(address))
    }

    fn judge_name(&self, name: &str) -> Result<bool, TargetRefused> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name == "localhost" && self.loopback {
            return Ok(true);
        }
        // Names that mean something only inside a network: of one label, or under a suffix that is never public.
        let last = name.rsplit_once('.').map(|(_, last)| last);
        let inside = [
            "localhost",
            "local",
            "internal",
            "intranet",
            "lan",
            "home",
            "corp",
            "arpa",
        ];
        match last {
            Some(last) if !inside.contains(&last) && !last.is_empty() => Ok(false),
            _ => Err(TargetRefused::NotPublic),
        }
    }

    /// Whether an address may be connected to.
    pub fn judge_address(&self, address: IpAddr) -> Result<(), TargetRefused> {
        let allowed = is_public(address) || (self.loopback && address.is_loopback());
        if allowed {
            Ok(())
        } else {
            Err(TargetRefused::NotPublic)
        }
    }
}

/// Blocks that are no public host's, by first address and prefix length (IANA's special-purpose registry, multicast,
/// what is reserved), and the address at which one cloud serves its machines' metadata.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Blocks inside `2000::/3` that are no public host's, among them those that carry an IPv4 address inside (6to4, Teredo).
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x004f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one of the public internet. Of IPv6 only global unicast is: mapped, translated, unique-local,
/// link-local and multicast addresses are outside of it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|(first, length)| {
            let shift = 32_u32.saturating_sub(*length);
            address.to_bits().checked_shr(shift) == first.to_bits().checked_shr(shift)
        }),
        IpAddr::V6(address) => {
            let global = address.to_bits() >> 125 == 0b001;
            global
                && !NOT_PUBLIC_V6.iter().any(|(first, length)| {
                    let shift = 128_u32.saturating_sub(*length);
                    address.to_bits().checked_shr(shift) == first.to_bits().checked_shr(shift)
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(loopback: bool) -> Targets {
        Targets {
            ports: BTreeSet::from([443, 8443]),
            loopback,
        }
    }

    /// What an attacker tries. None is called, whichever way it is written.
    const HOSTILE: &[&str] = &[
        // not https
        "http://example.com/hook",
        "ftp://example.com/hook",
        "file:///etc/passwd",
        "gopher://example.com:70/_x",
        "javascript:alert(1)",
        "data:text/plain,x",
        "unix:///var/run/docker.sock",
        "ws://example.com/",
        "//example.com/hook",
        "/hook",
        "example.com/hook",
        "",
        "https://",
        "https:///hook",
        // loopback
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://app.localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.255.255.254/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://00000177.0.0.1/",
        "https://127.0.0.1./",
        "https://127%2e0%2e0%2e1/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://0.0.0.0/",
        "https://0/",
        "https://[::]/",
        "https://①②⑦.0.0.1/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        // private, link-local, shared, reserved
        "https://10.0.0.1/",
        "https://10.1/",
        "https://167772161/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.0.1/",
        "https://0xc0a80001/",
        "https://0300.0250.0.1/",
        "https://100.64.0.1/",
        "https://100.100.100.200/",
        "https://169.254.1.1/",
        "https://192.0.0.170/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://198.51.100.7/",
        "https://203.0.113.9/",
        "https://224.0.0.1/",
        "https://239.255.255.250/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[fd12:3456:789a::1]/",
        "https://[ff02::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[2001:db8::1]/",
        "https://[fec0::1]/",
        // metadata of machines
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "https://168.63.129.16/",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://metadata/",
        // names of inside
        "https://intranet/",
        "https://printer.local/",
        "https://db.internal/",
        "https://router.lan/",
        "https://1.0.0.127.in-addr.arpa/",
        // a secret, or another host than it seems
        "https://user@example.com/",
        "https://@example.com/",
        "https://user:secret@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:443@10.0.0.1/",
        "https://127.0.0.1#@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nHost: inside",
        "https://exa mple.com/",
        "https://\texample.com/",
        " https://example.com/",
        // ports
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:80/",
        "https://example.com:6379/",
        "https://example.com:0/",
        "https://example.com:65536/",
    ];

    #[test]
    fn no_hostile_address_is_called() {
        let taken: Vec<_> = HOSTILE
            .iter()
            .filter(|text| targets(false).check(text).is_ok())
            .collect();
        assert!(taken.is_empty(), "{taken:?}");
        assert!(HOSTILE.len() >= 60);
        let long = format!("https://example.com/{}", "x".repeat(MOST_URL));
        assert_eq!(targets(false).check(&long), Err(TargetRefused::NotAUrl));
    }

    #[test]
    fn public_hosts_are_called() {
        for text in [
            "https://example.com/hook",
            "https://example.com:8443/hook?to=me@example.com",
            "https://bücher.example/",
            "https://93.184.215.14/",
            "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
            "https://172.32.0.1/",
            "https://100.128.0.1/",
        ] {
            assert!(targets(false).check(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn where_loopback_is_allowed_nothing_else_inside_is() {
        for text in [
            "http://127.0.0.1:9000/hook",
            "http://localhost:9000/hook",
            "http://[::1]:9000/",
        ] {
            assert!(targets(true).check(text).is_ok(), "{text}");
        }
        let inside = HOSTILE.iter().filter(|text| {
            let url = targets(true).check(text);
            url.is_ok_and(|url| match url.host() {
                Some(Host::Ipv4(address)) => !address.is_loopback(),
                Some(Host::Ipv6(address)) => !address.is_loopback(),
                Some(Host::Domain(name)) => name.trim_end_matches('.') != "localhost",
                None => true,
            })
        });
        assert_eq!(inside.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
