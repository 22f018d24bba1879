//! Secrets in text: masked by their values and by their shapes, before the text is kept or shown.

/// The text in place of a secret.
pub const MASK: &str = "[masked]";

/// The shortest value that counts as a secret: shorter ones are in too many ordinary words.
const SHORTEST: usize = 8;

/// The shortest rest of a secret whose beginning was cut off.
const SHORTEST_REST: usize = 6;

/// Parts of names that hold a secret, in capitals.
const NAMES: &[&str] = &[
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "PRIVATE",
    "COOKIE",
    "_PAT",
    "_PWD",
    "DATABASE_URL",
    "DSN",
    "AUTH",
];

/// Beginnings of tokens of well-known services, with the fewest characters that follow.
const TOKENS: &[(&str, usize)] = &[
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("sk-", 16),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ya29.", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxr-", 10),
    ("xoxs-", 10),
    ("npm_", 30),
    ("hf_", 20),
    ("pypi-", 16),
    ("eyJ", 40),
    ("dop_v1_", 20),
    ("shpat_", 20),
];

/// The first bytes of the other shapes: a password in an address, a bearer token, a private key.
const OTHER_STARTS: &[u8] = b":Bb-";

/// The values of variables that hold secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets {
    /// The longest first, so that no secret is masked by a part of it.
    values: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

impl Secrets {
    /// Takes the values of variables whose names have the shape of a secret's, or are among `named`.
    pub fn of_environment(
        variables: impl IntoIterator<Item = (String, String)>,
        named: &[String],
    ) -> Secrets {
        let is_secret = |name: &str| named.iter().any(|one| one == name) || is_secret_name(name);
        let chosen = variables.into_iter().filter(|(name, _)| is_secret(name));
        let lines = chosen.flat_map(|(_, value)| {
            let lines: Vec<String> = value.lines().map(|line| line.trim().to_owned()).collect();
            lines
        });
        let mut values: Vec<String> = lines.filter(|line| is_secret_value(line)).collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Secrets { values }
    }

    /// Masks the secrets in a text. A text may begin in the middle of one.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = self.without_cut_value(text);
        for value in &self.values {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), MASK);
            }
        }
        mask_shapes(&masked)
    }

    /// Returns the length of the longest value in bytes.
    pub fn longest(&self) -> usize {
        self.values.first().map_or(0, String::len)
    }

    /// Masks a line of a file; `None` if it has no secret.
    pub fn mask_line(&self, line: &str) -> Option<String> {
        let held = self
            .values
            .iter()
            .filter(|value| line.contains(value.as_str()));
        let masked = held.fold(line.to_owned(), |masked, value| {
            masked.replace(value.as_str(), MASK)
        });
        let masked = mask_shapes(&masked);
        (masked != line).then_some(masked)
    }

    /// Masks the secrets in output of a program. Output that is not text stays as it is if it has none.
    pub fn mask_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&bytes);
        let masked = self.mask(&text);
        match masked == text {
            true => bytes,
            false => masked.into_bytes(),
        }
    }

    fn without_cut_value(&self, text: &str) -> String {
        let rest = |value: &&String| {
            let ends = value.char_indices().skip(1).map(|(at, _)| &value[at..]);
            let found = ends
                .take_while(|end| end.len() >= SHORTEST_REST)
                .find(|end| text.starts_with(end));
            found.map(str::len)
        };
        match self.values.iter().filter_map(|value| rest(&value)).max() {
            Some(length) => format!("{MASK}{}", &text[length..]),
            None => text.to_owned(),
        }
    }
}

/// Returns `true` for names such as `GH_TOKEN` and `api_key`.
fn is_secret_name(name: &str) -> bool {
    let name = name.to_uppercase();
    NAMES.iter().any(|part| name.contains(part))
        && !name.ends_with("_FILE")
        && !name.ends_with("_SOCK")
}

/// Returns `true` for values that are neither a number nor a path nor an ordinary word.
fn is_secret_value(value: &str) -> bool {
    let is_plain = value.chars().all(|c| c.is_ascii_lowercase()) && value.len() < 12;
    value.len() >= SHORTEST
        && !value.starts_with(['/', '~'])
        && !is_plain
        && value.parse::<f64>().is_err()
}

/// Masks tokens of well-known services, passwords in addresses, bearer tokens and private keys.
pub fn mask_shapes(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    // The text up to here is in `masked`, or was a secret.
    let mut copied = 0;
    let mut is_after_secret = false;
    let mut at = 0;
    while let Some(next) = text.as_bytes()[at..]
        .iter()
        .position(|byte| begins_shape(*byte))
    {
        at += next;
        let before = text[copied..at].chars().next_back();
        let is_in_word = before.map_or(is_after_secret, |c| c.is_alphanumeric() || c == '_');
        let Some((kept, length)) = shape(&text[at..], is_in_word) else {
            at += 1;
            continue;
        };
        masked.push_str(&text[copied..at + kept]);
        masked.push_str(MASK);
        at += length;
        copied = at;
        is_after_secret = true;
    }
    masked.push_str(&text[copied..]);
    masked
}

/// Returns `true` for the first bytes of all shapes. Long outputs pass through here, and most of their
/// bytes are none.
fn begins_shape(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut nth = 0;
        while nth < TOKENS.len() {
            table[TOKENS[nth].0.as_bytes()[0] as usize] = true;
            nth += 1;
        }
        let mut nth = 0;
        while nth < OTHER_STARTS.len() {
            table[OTHER_STARTS[nth] as usize] = true;
            nth += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// Measures a secret at the start of a text: the bytes that are kept before it, and all bytes.
fn shape(text: &str, is_in_word: bool) -> Option<(usize, usize)> {
    if is_in_word {
        return password(text);
    }
    token(text)
        .map(|length| (0, length))
        .or_else(|| bearer(text))
        .or_else(|| private_key(text))
}

fn token(text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    TOKENS.iter().find_map(|(start, fewest)| {
        let rest = text.strip_prefix(start)?;
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let body = rest[..length].trim_end_matches(['.', '-', '_']);
        // Words such as `sk-learn-contrib-packages` have no digit.
        let has_digit = body.bytes().any(|byte| byte.is_ascii_digit());
        let is_long = body.len() >= *fewest;
        let is_upper = !matches!(*start, "AKIA" | "ASIA")
            || body
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        (is_long && has_digit && is_upper).then_some(start.len() + body.len())
    })
}

/// `://user:password@`, of which the password is masked.
fn password(text: &str) -> Option<(usize, usize)> {
    let rest = text.strip_prefix("://")?;
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>'))
        .unwrap_or(rest.len());
    let (login, _) = rest[..end].rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    (!password.is_empty() && password != MASK).then_some((3 + user.len() + 1, 3 + login.len()))
}

fn bearer(text: &str) -> Option<(usize, usize)> {
    let rest = text
        .strip_prefix("Bearer ")
        .or_else(|| text.strip_prefix("bearer "))?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    let has_digit = rest[..length].bytes().any(|byte| byte.is_ascii_digit());
    (length >= 16 && has_digit).then_some((7, 7 + length))
}

fn private_key(text: &str) -> Option<(usize, usize)> {
    let first = text.strip_prefix("-----BEGIN ")?;
    let (kind, body) = first.split_once("-----")?;
    if !kind.ends_with("PRIVATE KEY") {
        return None;
    }
    let kept = text.len() - body.len();
    let length = body.find("-----END ").unwrap_or(body.len());
    Some((kept, kept + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(pairs: &[(&str, &str)], named: &[&str]) -> Secrets {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        Secrets::of_environment(pairs.iter().map(owned), &named)
    }

    #[test]
    fn values_of_secret_names_are_masked_wherever_they_are() {
        let secrets = secrets(
            &[
                ("MY_API_KEY", "hunter2-hunter2"),
                ("LONGER_TOKEN", "hunter2-hunter2-and-more"),
                ("NODE_ENV", "production"),
                ("PLAIN", "chosen-by-name"),
                ("SSH_AUTH_SOCK", "/tmp/ssh-1234567/agent"),
                ("KEY_COUNT", "123456789"),
                ("AUTH_MODE", "password"),
                ("PEM_KEY", "first-line-of-it\n\nsecond-line-of-it"),
            ],
            &["PLAIN"],
        );
        let text = "er2-hunter2 is cut; hunter2-hunter2, hunter2-hunter2-and-more; production; chosen-by-name; \
            password; second-line-of-it; /tmp/ssh-1234567/agent 123456789";
        insta::assert_snapshot!(secrets.mask(text), @"[masked] is cut; [masked], [masked]; production; [masked]; password; [masked]; /tmp/ssh-1234567/agent 123456789");
        assert_eq!(format!("{secrets:?}"), "Secrets(5)");
    }

    #[test]
    fn well_known_tokens_are_masked_and_ordinary_words_are_not() {
        let text = "ghp_0123456789abcdefghijABCDEFGHIJ012345, sk-ant-api03-PROBEPROBEPROBEPROBE. AKIAIOSFODNN7EXAMPLE \
            https://user:pa:ss@example.com/x ssh://git@example.com Bearer abcdefgh12345678 x='glpat-abcdefgh12345678' \
            eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
        insta::assert_snapshot!(mask_shapes(text), @r"
        [masked], [masked]. [masked] https://user:[masked]@example.com/x ssh://git@example.com Bearer [masked] x='[masked]' [masked]
        -----BEGIN RSA PRIVATE KEY-----[masked]-----END RSA PRIVATE KEY-----
        ");
        let plain = "task-0123456789abcdefghij sk-learn-contrib-packages disk-1234567890123456 \
            59e38970b5f0e3b6f9d5b8a1c2d3e4f5a6b7c8d9 bearer of bad news AKIA http://a:1@ Bearer abc";
        insta::assert_snapshot!(mask_shapes(plain), @"task-0123456789abcdefghij sk-learn-contrib-packages disk-1234567890123456 59e38970b5f0e3b6f9d5b8a1c2d3e4f5a6b7c8d9 bearer of bad news AKIA http://a:[masked]@ Bearer abc");
    }

    #[test]
    fn every_kind_of_token_is_masked_at_the_start_of_a_word_and_not_inside_one() {
        for (start, fewest) in TOKENS {
            let secret = format!("{start}{}", "7".repeat(*fewest));
            let text = format!("é{secret} {secret}");
            assert_eq!(mask_shapes(&text), format!("é{secret} {MASK}"));
            assert_eq!(mask_shapes(&secret), MASK);
        }
        let address = "a://b:c@d://e:f@g";
        assert_eq!(mask_shapes(address), "a://b:[masked]@d://e:[masked]@g");
    }
}
