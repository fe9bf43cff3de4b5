//! What a single value of a file may be. Each may also be a text with `${VAR}`, which is replaced when the file is read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::scalar::{
    Address, Amount, Bytes, Day, Durable, Instant, Mode, Small, Span, Truth, Whole, Zone,
};

/// A text with `${VAR}` or `${VAR:-default}`.
pub(super) struct Variable;

impl JsonSchema for Variable {
    fn schema_name() -> Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "${VAR} or ${VAR:-default}: a variable of the environment of whoever reads the file.",
            "type": "string",
            "pattern": r"\$\{[A-Za-z_]"
        })
    }
}

/// Says what values of these types may be, beside variables.
macro_rules! scalars {
    ($($name:ident: $about:literal, $first:tt $(, $more:tt)*;)*) => {
        $(
            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    let variable = generator.subschema_for::<Variable>();
                    json_schema!({"description": $about, "anyOf": [$first, $($more,)* variable]})
                }
            }
        )*
    };
}

scalars! {
    Amount: "A number of credits: whole, 0 to 9,007,199,254,740,991 (2^53 - 1).",
        {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64},
        {"type": "string", "pattern": "^[0-9]([0-9_]*[0-9])?$"};
    Whole: "A whole number, 0 or more.",
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": "^[0-9]([0-9_]*[0-9])?$"};
    Small: "A whole number, 0 to 4,294,967,295.",
        {"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u64},
        {"type": "string", "pattern": "^[0-9]([0-9_]*[0-9])?$"};
    Truth: "true or false.",
        {"type": "boolean"};
    Span: "A span of time: numbers with ms, s, m, h or d, such as 250ms, 60s, 1h30m.",
        {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"};
    Day: "A day of the calendar, such as 2026-01-31.",
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"};
    Instant: "A moment with its offset from UTC (RFC 3339), such as 2026-01-05T00:00:00Z.",
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+([Zz]|[+-][0-9]{2}:[0-9]{2})$"};
    Zone: "A zone of the IANA database, such as Europe/Paris.",
        {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_+/-]*$"};
    Address: "An IP address and a port, such as 127.0.0.1:7450, or none.",
        {"type": "string", "pattern": "^(none|[0-9.]+:[0-9]{1,5}|\\[[0-9A-Fa-f:.%]+\\]:[0-9]{1,5})$"};
    Mode: "Permission bits in octal, such as \"0660\".",
        {"type": "string", "pattern": "^0*[0-7]{1,3}$"},
        {"type": "integer", "minimum": 0, "maximum": 777};
    Bytes: "A number of bytes with KiB, MiB or GiB, such as 256MiB.",
        {"type": "string", "pattern": "^[0-9]([0-9_]*[0-9])?(KiB|MiB|GiB)$"};
    Durable: "What an acknowledged request survives: memory (nothing but snapshots), process (kill -9), power (the power failing).",
        {"enum": ["memory", "process", "power"]};
}
