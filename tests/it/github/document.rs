//! Parses GraphQL documents, as far as dispatch and `gh` write them.

use serde_json::{Map, Value};

/// A field of a selection, with those below it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its alias, or its name.
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) fields: Vec<Field>,
    /// The type of the fragment that it is in, if any.
    pub(super) on: Option<String>,
}

/// A document: one operation.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) is_mutation: bool,
    pub(super) fields: Vec<Field>,
}

/// Parses a document with the values of its variables.
pub(super) fn parse(text: &str, variables: &Value) -> Result<Document, String> {
    let tokens = tokens(text);
    let mut parser = Parser {
        tokens,
        at: 0,
        variables,
        declared: Vec::new(),
    };
    let document = parser.document()?;
    match parser.peek() {
        "" => Ok(document),
        token => Err(format!("Expected one operation, actual: {token}")),
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => {
                let mut end = 1;
                while !rest[end..].starts_with('"') {
                    end += if rest[end..].starts_with('\\') { 2 } else { 1 };
                }
                end + 1
            }
            '.' => 3,
            c if is_name(c) || c == '-' => {
                let end = rest[1..].find(|c: char| !is_name(c) && c != '.');
                end.map_or(rest.len(), |end| end + 1)
            }
            c => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start_matches(is_space);
    }
    tokens
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == ','
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    variables: &'a Value,
    declared: Vec<String>,
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    fn skip(&mut self, token: &str) -> bool {
        let is_it = self.peek() == token;
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.skip(token) {
            true => Ok(()),
            false => Err(format!("Expected {token}, actual: {}", self.peek())),
        }
    }

    fn document(&mut self) -> Result<Document, String> {
        let kind = match self.peek() {
            "{" => "query".to_owned(),
            _ => self.next(),
        };
        if !["{", "("].contains(&self.peek()) {
            self.next();
        }
        if self.skip("(") {
            while !self.skip(")") {
                self.declaration()?;
            }
        }
        Ok(Document {
            is_mutation: kind == "mutation",
            fields: self.selection(None)?,
        })
    }

    /// `$name:Type!`, whose value must be there if the type asks for one.
    fn declaration(&mut self) -> Result<(), String> {
        self.expect("$")?;
        let name = self.next();
        self.expect(":")?;
        while self.skip("[") {}
        self.next();
        let mut is_required = false;
        while ["!", "]"].contains(&self.peek()) {
            is_required = self.next() == "!";
        }
        if is_required && self.variables[&name].is_null() {
            return Err(format!(
                "Variable ${name} of required type was provided invalid value"
            ));
        }
        self.declared.push(name);
        Ok(())
    }

    fn selection(&mut self, on: Option<&str>) -> Result<Vec<Field>, String> {
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.skip("}") {
            if self.skip("...") {
                self.expect("on")?;
                let on = self.next();
                fields.extend(self.selection(Some(&on))?);
                continue;
            }
            let mut name = self.next();
            if name.is_empty() {
                return Err("Unexpected end of document".to_owned());
            }
            let alias = name.clone();
            if self.skip(":") {
                name = self.next();
            }
            let mut arguments = Map::new();
            if self.skip("(") {
                while !self.skip(")") {
                    let key = self.next();
                    self.expect(":")?;
                    arguments.insert(key, self.value()?);
                }
            }
            let below = match self.peek() {
                "{" => self.selection(None)?,
                _ => Vec::new(),
            };
            fields.push(Field {
                alias,
                name,
                arguments,
                fields: below,
                on: on.map(str::to_owned),
            });
        }
        Ok(fields)
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.skip("$") {
            let name = self.next();
            return match self.declared.contains(&name) {
                true => Ok(self.variables[&name].clone()),
                false => Err(format!(
                    "Variable ${name} is used by anonymous but not declared"
                )),
            };
        }
        if self.skip("[") {
            let mut items = Vec::new();
            while !self.skip("]") {
                items.push(self.value()?);
            }
            return Ok(Value::Array(items));
        }
        if self.skip("{") {
            let mut object = Map::new();
            while !self.skip("}") {
                let key = self.next();
                self.expect(":")?;
                object.insert(key, self.value()?);
            }
            return Ok(Value::Object(object));
        }
        let token = self.next();
        // A name that is no literal is a word of an enumeration.
        Ok(serde_json::from_str(&token).unwrap_or(Value::String(token)))
    }
}
