//! Mutations of GraphQL: several in one request, or each as a command of `gh`.

use serde_json::{Map, Value};

use crate::base::text::shell_word;
use crate::forge::graphql::DEFAULT_HOST;

/// The value of a variable of a mutation.
#[derive(Clone, PartialEq, Debug)]
pub enum Argument {
    /// A value that is known.
    Known(Value),
    /// The value of a variable of the shell, which an earlier command has set.
    Shell(String),
}

/// One mutation.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    /// Its field, such as `closeIssue`.
    pub field: &'static str,
    /// Its variables: name, type and value. No name is the beginning of another.
    pub variables: Vec<(&'static str, &'static str, Argument)>,
    /// The content of its `input`, with the variables.
    pub input: &'static str,
    /// The fields of the answer that are asked for.
    pub output: &'static str,
}

impl Operation {
    /// Renders the field with its variables under other names.
    fn call(&self, suffix: &str) -> String {
        let mut input = self.input.to_owned();
        for (name, _, _) in &self.variables {
            input = input.replace(&format!("${name}"), &format!("${name}{suffix}"));
        }
        format!("{}(input:{{{input}}}){{{}}}", self.field, self.output)
    }

    /// Renders the declarations of its variables.
    fn declarations(&self, suffix: &str) -> Vec<String> {
        let variables = self.variables.iter();
        let declared = variables.map(|(name, kind, _)| format!("${name}{suffix}:{kind}"));
        declared.collect()
    }

    /// Renders the `gh` command that does the same. Its output is what `filter` picks, which goes into
    /// the variable `into` of the shell.
    pub fn command(&self, host: &str, filter: Option<&str>, into: Option<&str>) -> String {
        let document = format!(
            "mutation({}){{{}}}",
            self.declarations("").join(","),
            self.call("")
        );
        let mut words = call_words(host, &document);
        for (name, _, value) in &self.variables {
            words.extend(match value {
                Argument::Known(Value::String(text)) => {
                    ["-f".to_owned(), shell_word(&format!("{name}={text}"))]
                }
                // `-F` passes on a number as a number.
                Argument::Known(other) => ["-F".to_owned(), shell_word(&format!("{name}={other}"))],
                Argument::Shell(variable) => ["-f".to_owned(), format!("{name}=\"${variable}\"")],
            });
        }
        match filter {
            Some(filter) => words.extend(["--jq".to_owned(), shell_word(filter)]),
            None => words.push("--silent".to_owned()),
        }
        assign(&words, into)
    }
}

/// Renders the `gh` command that picks a value of an object in a shell variable.
pub fn lookup_command(
    host: &str,
    document: &str,
    (name, variable): (&str, &str),
    filter: &str,
    into: &str,
) -> String {
    let mut words = call_words(host, document);
    words.extend(["-f".to_owned(), format!("{name}=\"${variable}\"")]);
    words.extend(["--jq".to_owned(), shell_word(filter)]);
    assign(&words, Some(into))
}

fn call_words(host: &str, document: &str) -> Vec<String> {
    let mut words = ["gh", "api", "graphql"].map(str::to_owned).to_vec();
    if host != DEFAULT_HOST {
        words.extend(["--hostname".to_owned(), shell_word(host)]);
    }
    words.extend(["-f".to_owned(), shell_word(&format!("query={document}"))]);
    words
}

fn assign(words: &[String], into: Option<&str>) -> String {
    let command = words.join(" ");
    match into {
        Some(variable) => format!("{variable}=$({command})"),
        None => command,
    }
}

/// Renders mutations as one document with its variables. The aliases are `s0`, `s1`, …
pub fn batch(operations: &[Operation]) -> (String, Value) {
    let mut declarations = Vec::new();
    let mut calls = Vec::new();
    let mut variables = Map::new();
    for (at, operation) in operations.iter().enumerate() {
        let suffix = format!("_{at}");
        declarations.extend(operation.declarations(&suffix));
        calls.push(format!("{}:{}", alias(at), operation.call(&suffix)));
        for (name, _, value) in &operation.variables {
            let value = match value {
                Argument::Known(value) => value.clone(),
                Argument::Shell(name) => Value::String(format!("${name}")),
            };
            variables.insert(format!("{name}{suffix}"), value);
        }
    }
    let document = format!(
        "mutation({}){{{}}}",
        declarations.join(","),
        calls.join(" ")
    );
    (document, Value::Object(variables))
}

/// Returns the alias of a mutation by its place.
pub fn alias(at: usize) -> String {
    format!("s{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(id: Argument) -> Operation {
        Operation {
            field: "closeIssue",
            variables: vec![("issue", "ID!", id)],
            input: "issueId:$issue,stateReason:COMPLETED",
            output: "issue{id}",
        }
    }

    #[test]
    fn a_batch_is_one_document_and_a_command_does_the_same_alone() {
        let known = |text: &str| Argument::Known(Value::String(text.to_owned()));
        let number = Operation {
            field: "set",
            variables: vec![
                ("number", "Float!", Argument::Known(3.into())),
                ("text", "String!", known("it's $x")),
            ],
            input: "number:$number,text:$text",
            output: "id",
        };
        let both = [close(known("I_1")), number.clone()];
        let (document, variables) = batch(&both);
        let all = [
            document,
            variables.to_string(),
            close(known("I_1")).command("github.com", None, None),
            number.command("ghe.example.com", Some(".data.set.id"), Some("made")),
            close(Argument::Shell("made".to_owned())).command("github.com", None, None),
            lookup_command(
                "github.com",
                "query($id:ID!){node(id:$id){id}}",
                ("id", "made"),
                ".data",
                "x",
            ),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        mutation($issue_0:ID!,$number_1:Float!,$text_1:String!){s0:closeIssue(input:{issueId:$issue_0,stateReason:COMPLETED}){issue{id}} s1:set(input:{number:$number_1,text:$text_1}){id}}
        {"issue_0":"I_1","number_1":3,"text_1":"it's $x"}
        gh api graphql -f 'query=mutation($issue:ID!){closeIssue(input:{issueId:$issue,stateReason:COMPLETED}){issue{id}}}' -f 'issue=I_1' --silent
        made=$(gh api graphql --hostname ghe.example.com -f 'query=mutation($number:Float!,$text:String!){set(input:{number:$number,text:$text}){id}}' -F 'number=3' -f 'text=it'\''s $x' --jq .data.set.id)
        gh api graphql -f 'query=mutation($issue:ID!){closeIssue(input:{issueId:$issue,stateReason:COMPLETED}){issue{id}}}' -f issue="$made" --silent
        x=$(gh api graphql -f 'query=query($id:ID!){node(id:$id){id}}' -f id="$made" --jq .data)
        "#);
    }
}
