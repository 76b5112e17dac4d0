"""A client's tools and messages as the prompt that training taught."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ftcore.config.groups import conf_dir
from ftcore.data import bfcl, wording
from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.tool_prompt import WORDINGS, plain, trained_wording, worded
from ftcore.deploy.tools import offered

PLAIN, FLAN = WORDINGS["function_calls"], WORDINGS["agent_flan"]
TO_JSON_SCHEMA = {"dict": "object", "float": "number", "tuple": "array"}


def as_openai(function: dict) -> dict:
    """A BFCL function as an OpenAI client would offer it."""

    def schema(node):
        if isinstance(node, list):
            return [schema(one) for one in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("type")
        changed = {"type": TO_JSON_SCHEMA.get(kind, kind)} if isinstance(kind, str) else {}
        return {key: schema(value) if key != "enum" else value for key, value in node.items()} | changed

    return {"type": "function", "function": function | {"parameters": schema(function["parameters"])}}


def tool(name="add", **parameters):
    """A tool of OpenAI's form."""
    given = {"name": name, "description": f"{name} them"}
    return {"type": "function", "function": given | {"parameters": parameters} if parameters else given}


def call(name, arguments, id="c"):
    """A call in an assistant's message."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("category", ["simple_python", "live_simple", "multiple"])
def test_the_prompt_is_that_of_training(category):
    """Real functions, offered in JSON Schema's types, give the system text that training has for them."""
    cases = [case for case in bfcl.load_cases(category) if "tuple" not in json.dumps(case.functions)]
    for case in cases:
        tools = offered({"tools": [as_openai(function) for function in case.functions]})
        assert worded([{"role": "user", "content": case.question}], tools, PLAIN) == (
            wording.prompt_messages(case)
        ), case.id


def test_agent_flan_is_worded_as_its_preset():
    """The tool of the preset's own system text, offered by a client, gives that text but for its spaces and
    for what OpenAI's form has no place for."""
    preset = yaml.safe_load((conf_dir() / "experiment" / "agentflan_llama3_8b.yaml").read_text("utf-8"))
    query = {"type": "string", "description": "the content of search query"}
    given = tool("ArxivSearch", properties={"query": query}, required=["query"])
    given["function"]["description"] = "Run Arxiv search and get the article meta information."
    made = worded([{"role": "user", "content": "x"}], offered({"tools": [given]}), FLAN)[0]["content"]
    there = preset["chat_samples"]["system"]
    there = there.replace(".get_arxiv_article_information", "")
    returned = there[there.index("'return_data'") : there.index("'parameter_description'")]
    assert made.replace(" ", "") == there.replace(returned, "").replace(" ", "")


def test_a_conversation_with_calls_and_results():
    """Calls are the assistant's text, results the user's; a client's system text begins the question."""
    messages = [
        {"role": "system", "content": "今天是星期一。"},
        {"role": "user", "content": [{"type": "text", "text": "1+1?"}]},
        {"role": "assistant", "content": "Adding.",
         "tool_calls": [call("add", '{"a":1,"b":"一"}'), call("mul", "")]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
        {"role": "tool", "tool_call_id": "d", "content": "3"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "Five."},
        {"role": "user", "content": "Sure?"},
    ]  # fmt: skip
    system, *turns = worded(messages, offered({"tools": [tool()]}), PLAIN)
    assert system["content"].startswith("Tools:\nadd: add them {}\n")
    assert turns == [
        {"role": "user", "content": "今天是星期一。\n1+1?"},
        {
            "role": "assistant",
            "content": 'Thought: Adding.\nAction: add\nAction Input: {"a": 1, "b": "一"}\nAction: mul\n'
            "Action Input: {}",
        },
        {"role": "user", "content": "Response: 2\nResponse: 3\nAnd?"},
        {"role": "assistant", "content": "Final Answer: Five."},
        {"role": "user", "content": "Sure?"},
    ]


def test_agent_flan_keeps_the_clients_system_text():
    """There it stands before the tools."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]
    system, _ = worded(messages, offered({"tools": [tool()]}), FLAN)
    assert system["content"].startswith("Be brief.\nYou are a assistant who can utilize external tools.")


def test_a_reasoning_is_the_thought():
    """What a client keeps of an earlier Thought goes back where it was."""
    message = {"role": "assistant", "content": "Five.", "reasoning_content": "so"}
    made = worded([{"role": "user", "content": "?"}, message], (), PLAIN)
    assert made[-1]["content"] == "Thought: so\nFinal Answer: Five."


def test_without_tools_nothing_is_worded():
    """A conversation that is not about tools stays as it is."""
    messages = [{"role": "system", "content": "s"}, {"role": "assistant", "content": "Thought: x"}]
    assert plain(messages) == messages


def test_schemas_of_typed_programs():
    """$ref, anyOf with null, lists of types and enums, as pydantic writes them, are worded."""
    schema = {
        "$defs": {"Unit": {"enum": ["C", "F"], "type": "string", "description": "a unit"}},
        "properties": {
            "unit": {"$ref": "#/$defs/Unit"},
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 3},
            "place": {"type": ["string", "null"]},
            "box": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        },
        "required": ["unit"],
    }
    system = worded([{"role": "user", "content": "?"}], offered({"tools": [tool(**schema)]}), PLAIN)[0]
    line = system["content"].splitlines()[1]
    assert json.loads(line.removeprefix("add: add them ")) == {
        "unit": "string, one of C|F: a unit", "days": "integer, optional, default 3",
        "place": "string, optional", "box": ["dict, optional", {"x": "float"}],
    }  # fmt: skip


def test_a_schema_that_leads_into_itself_ends():
    """A tree's schema is told to some depth."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    tools = offered(
        {"tools": [tool(**{"$defs": {"Node": node}}, properties={"n": {"$ref": "#/$defs/Node"}})]}
    )
    assert worded([{"role": "user", "content": "?"}], tools, PLAIN)


@pytest.mark.parametrize(
    ("choice", "names"),
    [(None, ["add", "mul"]), ("auto", ["add", "mul"]), ("required", ["add", "mul"]), ("none", []),
     ({"type": "function", "function": {"name": "mul"}}, ["mul"])],
)  # fmt: skip
def test_tool_choice(choice, names):
    """Which tools the model is told of."""
    body = {"tools": [tool("add"), tool("mul")], "tool_choice": choice}
    assert [one.name for one in offered(body)] == names


@pytest.mark.parametrize(
    ("body", "param"),
    [({"tools": {}}, "tools"), ({"tools": ["x"]}, "tools[0]"), ({"tools": [{"type": "code"}]}, "tools[0]"),
     ({"tools": [tool(""), 1]}, "tools[0].function.name"),
     ({"tools": [tool("a\nb")]}, "tools[0].function.name"),
     ({"tools": [tool(properties=[])]}, "tools[0].function.parameters.properties"),
     ({"tools": [], "tool_choice": "required"}, "tool_choice"),
     ({"tools": [tool()], "tool_choice": "all"}, "tool_choice"),
     ({"tools": [tool()], "tool_choice": {"function": {"name": "sub"}}}, "tool_choice")],
)  # fmt: skip
def test_wrong_tools(body, param):
    """What is wrong is named."""
    with pytest.raises(BadRequest) as error:
        offered(body)
    assert error.value.param == param


@pytest.mark.parametrize(
    ("messages", "param"),
    [(None, "messages"), ([], "messages"), (["x"], "messages[0].role"),
     ([{"role": "me"}], "messages[0].role"),
     ([{"role": "user", "content": 3}], "messages[0].content"),
     ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content"),
     ([{"role": "assistant", "tool_calls": [{}]}], "messages[0].tool_calls[0]"),
     ([{"role": "assistant", "tool_calls": 1}], "messages[0].tool_calls")],
)  # fmt: skip
def test_wrong_messages(messages, param):
    """What is wrong is named."""
    with pytest.raises(BadRequest) as error:
        worded(messages, (), PLAIN)
    assert error.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("#/$defs/x"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "properties", "items", "enum", "anyOf", "$ref", "required", "description",
                         "default", "x"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(parameters=JSON, how=st.sampled_from([PLAIN, FLAN]))
def test_any_schema_is_worded_or_refused(parameters, how):
    """Whatever a client calls a schema, it gets a prompt or an answer that says what is wrong."""
    given_tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    try:
        tools = offered({"tools": [given_tool]})
    except BadRequest:
        return
    assert worded([{"role": "user", "content": "?"}], tools, how)


def test_the_wording_of_a_run():
    """That of the first data that taught one; ftcore's own where none did."""
    assert trained_wording(["alpaca", "agent_flan", "function_calls"]) == "agent_flan"
    assert trained_wording(["alpaca"]) == "function_calls"
