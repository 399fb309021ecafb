//! The one language of templates and expressions: minijinja with strict undefined. Every text of
//! the site is compiled once; [`super::Scope`] renders it for a host.

use std::borrow::Cow;
use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::filters;

/// An expression is compiled as a template that gives its value this name.
const VALUE: &str = "ra_deploy_value";
const EXPRESSION_HEAD: &str = "{% set ra_deploy_value = ";
const EXPRESSION_TAIL: &str = " %}";

/// All templates and expressions of a site, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

/// A text that does not compile or does not render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Lower-case, one line.
    pub message: String,
    /// The template file of the role that it is in; `None` for a text in a YAML file.
    pub file: Option<String>,
    /// Bytes of the text, where they are known.
    pub range: Option<Range<usize>>,
    /// Line in the text, from 1, where it is known.
    pub line: Option<usize>,
}

/// What a text of a YAML file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'text> {
    /// No template at all.
    Plain,
    /// Exactly one `{{ expression }}`: it yields the expression's own type.
    Expression(&'text str),
    /// A template that yields a text.
    Template,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Names end in .yaml and .json, and nothing that is rendered is HTML.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_debug(true);
        if let Ok(syntax) = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
        {
            environment.set_syntax(syntax);
        }
        // `{% include "part.conf" %}` means the same role's templates folder.
        environment.set_path_join_callback(|name, parent| match parent.split_once('\0') {
            Some((role, _)) => Cow::Owned(file_name(role, name)),
            None => Cow::Borrowed(name),
        });
        filters::install(&mut environment);
        Self { environment }
    }
}

impl Templates {
    /// Adds a file of a role's templates.
    pub fn add_file(&mut self, role: &str, file: &str, text: &str) -> Result<(), TemplateError> {
        self.environment
            .add_template_owned(file_name(role, file), text.to_owned())
            .map_err(|error| TemplateError::of(&error, Some(file), 0, text.len()))
    }

    /// Adds a text of a YAML file, which may be no template at all.
    pub fn add_text(&mut self, text: &str) -> Result<(), TemplateError> {
        match self.form(text) {
            Form::Plain => Ok(()),
            Form::Expression(expression) => self.add_expression(expression).map_err(|mut error| {
                let offset = offset_of(expression, text);
                error.range = error
                    .range
                    .map(|range| range.start + offset..range.end + offset);
                error
            }),
            Form::Template => self.add_template(text),
        }
    }

    /// Adds a text whose value is a text, whatever its form.
    pub fn add_template(&mut self, text: &str) -> Result<(), TemplateError> {
        if self.environment.get_template(&text_name(text)).is_ok() {
            return Ok(());
        }
        self.environment
            .add_template_owned(text_name(text), text.to_owned())
            .map_err(|error| TemplateError::of(&error, None, 0, text.len()))
    }

    /// Adds a bare expression.
    pub fn add_expression(&mut self, expression: &str) -> Result<(), TemplateError> {
        let name = expression_name(expression);
        if self.environment.get_template(&name).is_ok() {
            return Ok(());
        }
        // Checked as an expression first: its error's place is the expression's own, and what
        // would end the surrounding block is refused.
        self.environment
            .compile_expression(expression)
            .map_err(|error| TemplateError::of(&error, None, 0, expression.len()))?;
        self.environment
            .add_template_owned(
                name,
                format!("{EXPRESSION_HEAD}{expression}{EXPRESSION_TAIL}"),
            )
            .map_err(|error| {
                TemplateError::of(&error, None, EXPRESSION_HEAD.len(), expression.len())
            })
    }

    pub fn form<'text>(&self, text: &'text str) -> Form<'text> {
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Form::Plain;
        }
        let inner = text
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            .map(|inner| inner.trim_matches('-'));
        match inner {
            Some(inner) if !inner.contains("{{") && !inner.contains("}}") => {
                Form::Expression(inner)
            }
            // `{{ {"a": {}} }}` ends in braces of its own.
            Some(inner) if self.environment.compile_expression(inner).is_ok() => {
                Form::Expression(inner)
            }
            _ => Form::Template,
        }
    }

    /// Names that a text needs from its surroundings, such as `host.name` and `version`.
    pub fn names_in_text(&self, text: &str) -> Vec<String> {
        match self.form(text) {
            Form::Plain => Vec::new(),
            Form::Expression(expression) => self.names_of(&expression_name(expression)),
            Form::Template => self.names_of(&text_name(text)),
        }
    }

    pub fn names_in_expression(&self, expression: &str) -> Vec<String> {
        self.names_of(&expression_name(expression))
    }

    pub fn names_in_file(&self, role: &str, file: &str) -> Vec<String> {
        self.names_of(&file_name(role, file))
    }

    /// Whether a filter of that name exists.
    pub(super) fn has_filter(&self, name: &str) -> bool {
        let mut state = self.environment.empty_state();
        let applied = state.apply_filter(name, &[]);
        !matches!(applied, Err(error) if error.kind() == ErrorKind::UnknownFilter)
    }

    /// Whether a test of that name exists.
    pub(super) fn has_test(&self, name: &str) -> bool {
        let mut state = self.environment.empty_state();
        let performed = state.perform_test(name, &[]);
        !matches!(performed, Err(error) if error.kind() == ErrorKind::UnknownTest)
    }

    fn names_of(&self, template: &str) -> Vec<String> {
        let Ok(template) = self.environment.get_template(template) else {
            return Vec::new();
        };
        let globals: Vec<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let mut names: Vec<String> = template
            .undeclared_variables(true)
            .into_iter()
            .filter(|name| !globals.contains(&name.split('.').next().unwrap_or_default()))
            .collect();
        names.sort();
        names
    }

    pub(super) fn render_file(
        &self,
        role: &str,
        file: &str,
        context: Value,
    ) -> Result<String, TemplateError> {
        let length = usize::MAX;
        self.environment
            .get_template(&file_name(role, file))
            .and_then(|template| template.render(context))
            .map_err(|error| TemplateError::of(&error, Some(file), 0, length))
    }

    pub(super) fn render_text(&self, text: &str, context: Value) -> Result<String, TemplateError> {
        let rendered = match self.environment.get_template(&text_name(text)) {
            Ok(template) => template.render(context),
            Err(_) => self
                .environment
                .template_from_str(text)
                .and_then(|template| template.render(context)),
        };
        rendered.map_err(|error| TemplateError::of(&error, None, 0, text.len()))
    }

    pub(super) fn evaluate(
        &self,
        expression: &str,
        context: Value,
    ) -> Result<Value, TemplateError> {
        let (value, offset) = match self.environment.get_template(&expression_name(expression)) {
            Ok(template) => (
                template
                    .render_captured(context)
                    .map(|captured| captured.state().lookup(VALUE).unwrap_or_default()),
                EXPRESSION_HEAD.len(),
            ),
            Err(_) => (
                self.environment
                    .compile_expression(expression)
                    .and_then(|compiled| compiled.eval(context)),
                0,
            ),
        };
        let value = value.and_then(|value| match value.is_undefined() {
            true => Err(Error::from(ErrorKind::UndefinedError)),
            false => Ok(value),
        });
        value.map_err(|error| TemplateError::of(&error, None, offset, expression.len()))
    }
}

fn file_name(role: &str, file: &str) -> String {
    format!("{role}\0{file}")
}

fn text_name(text: &str) -> String {
    format!("text {text}")
}

fn expression_name(expression: &str) -> String {
    format!("expression {expression}")
}

/// Where `part`, a slice of `whole`, begins in it.
fn offset_of(part: &str, whole: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// A bare expression of a text that may carry `{{ … }}` around the whole.
pub fn bare(text: &str) -> &str {
    let text = text.trim();
    match text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
    {
        Some(inner) if !inner.contains("{{") => inner.trim(),
        _ => text,
    }
}

impl TemplateError {
    /// `offset` is how many bytes our own words take before the text, `length` the text's.
    fn of(error: &Error, file: Option<&str>, offset: usize, length: usize) -> Self {
        // An included file's error is told with the include's place, not the file's.
        let mut innermost = error;
        while let Some(source) = std::error::Error::source(innermost) {
            match source.downcast_ref::<Error>() {
                Some(inner) => innermost = inner,
                None => break,
            }
        }
        let file = match innermost.name().and_then(|name| name.split_once('\0')) {
            Some((_, name)) => Some(name.to_owned()),
            None => file.map(str::to_owned),
        };
        let detail = innermost.detail().unwrap_or_default();
        let kind = match innermost.kind() {
            ErrorKind::UndefinedError => "undefined value".to_owned(),
            ErrorKind::SyntaxError if detail.is_empty() => "template syntax".to_owned(),
            ErrorKind::InvalidOperation if !detail.is_empty() => String::new(),
            ErrorKind::SyntaxError => String::new(),
            kind => kind.to_string(),
        };
        let message = match (kind.is_empty(), detail.is_empty()) {
            (true, _) => detail.to_owned(),
            (false, true) => kind,
            (false, false) => format!("{kind}: {detail}"),
        };
        let range = innermost.range().map(|range| {
            range.start.saturating_sub(offset).min(length)
                ..range.end.saturating_sub(offset).min(length)
        });
        Self {
            message,
            file,
            range,
            line: innermost.line(),
        }
    }
}
