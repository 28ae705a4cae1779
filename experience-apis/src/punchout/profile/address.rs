//! Addresses of a partner: where a cart may go, and who may frame the shop.

use url::Url;

use super::Profile;

/// The longest address that is taken.
const MOST: usize = 2_000;

/// Why a cart may not go to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReturnUrlRefused {
    /// It is no address of the web, or one that hides where it leads.
    #[error(
        "the return address is not an absolute https address without user, password and fragment"
    )]
    Malformed,
    /// It is not among the agreed ones.
    #[error(
        "the return address is not one of those that were agreed: have it added to the agreement"
    )]
    NotAgreed,
}

impl Profile {
    /// What the shop calls the company that sells.
    pub(in crate::punchout) fn seller(&self) -> &str {
        self.seller.as_deref().unwrap_or(self.company.as_str())
    }

    /// The address in its canonical form, if a cart may go there.
    pub fn return_url(&self, given: &str) -> Result<Url, ReturnUrlRefused> {
        let url = web_address(given).ok_or(ReturnUrlRefused::Malformed)?;
        let mut agreed = self.return_urls.iter().filter_map(|text| web_address(text));
        if agreed.any(|agreed| is_under(&url, &agreed)) {
            Ok(url)
        } else {
            Err(ReturnUrlRefused::NotAgreed)
        }
    }

    /// Who may frame the shop.
    pub fn frame_ancestors(&self) -> Vec<String> {
        match &self.frame_ancestors {
            Some(origins) => origins.clone(),
            None => {
                let urls = self.return_urls.iter().filter_map(|text| web_address(text));
                let mut origins: Vec<String> = urls.map(|url| origin(&url)).collect();
                origins.sort();
                origins.dedup();
                origins
            }
        }
    }
}

/// The origin of an address, as a policy writes it.
pub(in crate::punchout) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// An absolute address of the web. A parser that reads as browsers do has resolved dots, and seen every way to write a
/// host; what it had to drop or repair is refused, so that what was checked is what the browser is given.
pub(super) fn web_address(text: &str) -> Option<Url> {
    let plain = text.len() <= MOST
        && text
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && c != '\\');
    let url = Url::parse(text).ok().filter(|_| plain)?;
    // In a policy, a comma or semicolon of a host would begin something new.
    let visible = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    let host = url.host_str().is_some_and(|host| host.chars().all(visible));
    let web = matches!(url.scheme(), "https" | "http") && host;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (web && bare).then_some(url)
}

/// Whether the address is an origin and nothing more: `https://procure.example.com`.
pub(super) fn is_origin(text: &str) -> bool {
    web_address(text).is_some_and(|url| origin(&url) == text)
}

/// Whether it is encrypted on its way, or does not leave this machine.
pub(super) fn is_https(text: &str) -> bool {
    web_address(text).is_some_and(|url| url.scheme() == "https")
}

/// Whether it leads to this machine.
pub(super) fn is_loopback(text: &str) -> bool {
    web_address(text).is_some_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// Same origin, and the path is the agreed one or below it.
fn is_under(url: &Url, agreed: &Url) -> bool {
    let below = url.path().strip_prefix(agreed.path()).is_some_and(|rest| {
        rest.is_empty() || rest.starts_with('/') || agreed.path().ends_with('/')
    });
    url.origin() == agreed.origin() && below
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn under(given: &str, agreed: &str) -> bool {
        web_address(given).is_some_and(|url| is_under(&url, &web_address(agreed).unwrap()))
    }

    #[rstest]
    #[case("https://procure.example.com/punchout/in?session=1", true)]
    #[case("https://PROCURE.example.com:443/punchout/", true)]
    #[case("https://procure.example.com/punchout", false)]
    #[case("https://procure.example.com/punchout/../login", false)]
    #[case("https://procure.example.com/punchout/%2e%2e/login", false)]
    #[case("https://procure.example.com:8443/punchout/", false)]
    #[case("http://procure.example.com/punchout/", false)]
    #[case("https://procure.example.com.evil.example/punchout/", false)]
    #[case("https://procure.example.com@evil.example/punchout/", false)]
    #[case("https://evil.example\\@procure.example.com/punchout/", false)]
    #[case("https://procure.example.com/punchout/#top", false)]
    #[case("javascript:alert(1)//https://procure.example.com/punchout/", false)]
    #[case("//procure.example.com/punchout/", false)]
    #[case("https://procure.example.com/punch\nout/", false)]
    fn a_cart_goes_only_where_it_was_agreed(#[case] given: &str, #[case] taken: bool) {
        assert_eq!(under(given, "https://procure.example.com/punchout/"), taken);
    }

    #[test]
    fn a_path_ends_at_a_slash() {
        assert!(under("https://a.example/in", "https://a.example/in"));
        assert!(under("https://a.example/in/x", "https://a.example/in"));
        assert!(!under("https://a.example/inside", "https://a.example/in"));
    }

    #[rstest]
    #[case("https://procure.example.com", true)]
    #[case("https://procure.example.com/", false)]
    #[case("https://*.example.com", false)]
    #[case("*", false)]
    #[case("https://a.example;script-src", false)]
    #[case("https://a.example; script-src *", false)]
    fn origins_are_plain(#[case] text: &str, #[case] sound: bool) {
        assert_eq!(is_origin(text), sound);
    }
}
