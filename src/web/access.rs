//! The token in the address, and the cookie that a browser gets for it.

use std::io;

use crate::base::files::draw_secret;

/// The secrets of one server. They are drawn at each start.
#[derive(Debug)]
pub(super) struct Access {
    /// The port that the server listens on.
    port: u16,
    /// The token of the address.
    token: String,
    /// The value of the cookie.
    cookie: String,
    /// The token of every form.
    form: String,
}

impl Access {
    /// Draws the secrets.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn draw(port: u16) -> io::Result<Access> {
        Ok(Access {
            port,
            token: draw_secret()?,
            cookie: draw_secret()?,
            form: draw_secret()?,
        })
    }

    /// Returns the address with the token.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// Returns the token of every form.
    pub(super) fn form_token(&self) -> &str {
        &self.form
    }

    /// Returns `true` for a name of this machine with the port.
    pub(super) fn is_own_host(&self, host: &str) -> bool {
        let name = match self.port {
            // Browsers leave out the usual port.
            80 => Some(host),
            port => host.strip_suffix(&format!(":{port}")),
        };
        matches!(name, Some("127.0.0.1" | "localhost"))
    }

    /// Returns `true` for the origin of the pages that a request asks this host for. Another name of
    /// this machine is another origin, whose pages and cookies are not these.
    pub(super) fn is_own_origin(&self, origin: &str, host: &str) -> bool {
        self.is_own_host(host) && origin.strip_prefix("http://") == Some(host)
    }

    /// Returns `true` for a query string with the token, and nothing else.
    pub(super) fn fits_query(&self, query: &str) -> bool {
        let given = query.strip_prefix("token=");
        given.is_some_and(|given| is_same(given, &self.token))
    }

    /// Returns `true` for the token of a form.
    pub(super) fn fits_form(&self, given: &str) -> bool {
        is_same(given, &self.form)
    }

    /// Returns `true` if a header of cookies has the one of this server.
    pub(super) fn fits_cookies(&self, header: &str) -> bool {
        let name = self.cookie_name();
        let pairs = header
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='));
        let mut own = pairs.filter(|(known, _)| *known == name);
        own.any(|(_, value)| is_same(value, &self.cookie))
    }

    /// Returns the header that sets the cookie: for this host and the session of the browser alone,
    /// not for scripts, and never with a request from another site.
    pub(super) fn set_cookie(&self) -> String {
        let (name, value) = (self.cookie_name(), &self.cookie);
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/")
    }

    /// Returns the name of the cookie. Browsers share cookies between the ports of a host.
    fn cookie_name(&self) -> String {
        format!("dispatch-{}", self.port)
    }
}

/// Compares in a time that does not depend on the place of the first difference.
fn is_same(given: &str, secret: &str) -> bool {
    let pairs = given.bytes().zip(secret.bytes());
    let difference = pairs.fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == secret.len() && difference == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_names_tokens_and_cookies_fit() {
        let access = Access::draw(4321).unwrap();
        for host in ["127.0.0.1:4321", "localhost:4321"] {
            assert!(access.is_own_host(host));
            assert!(access.is_own_origin(&format!("http://{host}"), host));
            assert!(!access.is_own_origin(&format!("https://{host}"), host));
            assert!(!access.is_own_origin("null", host) && !access.is_own_origin("", host));
        }
        for host in [
            "",
            "127.0.0.1",
            "127.0.0.1:4322",
            "evil.example:4321",
            "localhost.evil.example:4321",
            "127.0.0.1:43210",
            "127.0.0.1:4321.evil.example",
            "evil@127.0.0.1:4321",
        ] {
            assert!(!access.is_own_host(host), "{host}");
        }
        let (name, number) = ("localhost:4321", "127.0.0.1:4321");
        assert!(!access.is_own_origin(&format!("http://{name}"), number));
        assert!(!access.is_own_origin(&format!("http://{number}"), name));
        let query = access.address();
        let query = query.split_once('?').unwrap().1;
        assert!(access.fits_query(query));
        assert!(!access.fits_query(&query[..query.len() - 1]) && !access.fits_query("token="));
        assert!(!access.fits_query(&format!("{query}0")) && !access.fits_query(""));
        let cookie = access.set_cookie();
        let cookie = cookie.split(';').next().unwrap();
        assert!(access.fits_cookies(&format!("a=b; {cookie}; c=d")));
        assert!(!access.fits_cookies(&cookie.replace("4321", "4322")));
        assert!(!access.fits_cookies("dispatch-4321="));
        assert!(access.fits_form(access.form_token()) && !access.fits_form(""));
    }
}
