"""DuckDB's SQL as Spark's: sqlglot, and what it leaves open by itself, so that both engines give the same rows.

`translate` raises Untranslatable with what stands in the way; the table then needs SQL of its own in Spark's dialect.
"""

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError


class Untranslatable(Exception):
    """`str()` says what can't be translated."""


def translate(sql, types):
    """`types`: by column name its kind in the whole pipeline: 'list', 'text', 'integer'; names of several kinds are left out."""
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
        if len(trees) != 1:
            raise Untranslatable(f"it holds {len(trees)} statements, not one")
        tree = Translation(trees[0], types).run()
        return tree.sql("spark", identify=True, pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise Untranslatable(str(error).splitlines()[0]) from error


INTEGERS = {exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.TINYINT}
# Their result does not hang on the order of rows but for the last digits of floats.
ORDERLESS = (exp.Sum, exp.Avg, exp.Count, exp.Min, exp.Max, exp.CovarSamp, exp.CovarPop, exp.Corr, exp.Stddev,
             exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop, exp.RegrSlope, exp.RegrIntercept,
             exp.RegrR2, exp.LogicalAnd, exp.LogicalOr)  # fmt: skip
FRAMELESS = (exp.Lag, exp.Lead, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)
LISTS = (exp.Array, exp.Split, exp.Transform, exp.ArrayFilter, exp.GenerateSeries, exp.ArraySort, exp.ArrayConcat)
TEXTS = (exp.DPipe, exp.Concat, exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Replace)


class Translation:
    def __init__(self, tree, types):
        self.tree, self.types, self.unnested = tree, dict(types), 0
        self.named = {alias.alias: alias.this for alias in tree.find_all(exp.Alias)}

    def run(self):
        for join in self.tree.find_all(exp.Join):
            if str(join.args.get("method") or "").upper() == "ASOF":
                raise Untranslatable("Spark has no ASOF JOIN")
        self.each(exp.Order, self.order)
        self.each((exp.ArrayAgg, exp.GroupConcat), self.collected)
        self.each(exp.Select, self.unnest)
        self.each(exp.Length, self.length)
        self.each(exp.Bracket, self.item)
        self.each(exp.Cast, self.cast)
        self.each(exp.Div, self.divide)
        self.each(exp.Avg, self.average)
        self.each(exp.Window, self.frameless)
        self.each(exp.Window, self.named_window)
        return self.tree

    def each(self, kind, change):
        for node in list(self.tree.find_all(kind)):
            change(node)

    def order(self, order):
        call = order.parent
        if not isinstance(call, exp.Func):
            return
        if not isinstance(call, ORDERLESS):
            raise Untranslatable(f"Spark has no {call.sql_name().lower()}(… ORDER BY …)")
        order.replace(order.this)

    def collected(self, call):
        raise Untranslatable(f"{call.sql('duckdb')} has no order in Spark, which also leaves out NULLs")

    def unnest(self, select):
        """In a SELECT list: one row for each position of the lists, the shorter ones filled up with NULL."""
        calls = [call for one in select.expressions for call in one.find_all(exp.Explode) if own(call, select)]
        if not calls:
            return
        taken = [part for part in ("group", "having", "qualify", "distinct") if select.args.get(part)]
        if taken or any(own(window, select) for one in select.expressions for window in one.find_all(exp.Window, exp.AggFunc)):
            raise Untranslatable("unnest() in a SELECT that also groups or has window functions: unnest in a subquery before")
        self.unnested += 1
        name = f"_unnested_{self.unnested}"
        lists = [exp.func("COALESCE", call.this.copy(), exp.Array(expressions=[])) for call in calls]
        members = [f"{name}_{at}" for at in range(len(calls))] if len(calls) > 1 else [name]
        for member, call in zip(members, calls):
            if isinstance(call.this, exp.GenerateSeries):
                self.types[member] = "integer"
            call.replace(exp.column(member, table=name if len(calls) > 1 else None))
        for at, one in enumerate(select.expressions):
            # A bare unnest(x) keeps its name in no engine: the list's own is what the outer query says.
            if isinstance(one, exp.Column) and one.name in members:
                one.replace(exp.alias_(one.copy(), f"_unnest_{at}"))
        select.append(
            "laterals",
            exp.Lateral(
                this=exp.Explode(this=zipped(lists, members)),
                view=True,
                alias=exp.TableAlias(this=exp.to_identifier(f"{name}_view"), columns=[exp.to_identifier(name)]),
            ),
        )

    def length(self, call):
        kind = self.kind(call.this)
        if kind == "list":
            call.replace(exp.ArraySize(this=call.this))
        elif kind != "text":
            raise Untranslatable(
                f"{call.sql('duckdb')}: whether it is a list or a text is not to be seen; "
                "write array_length(…) for a list, or name the column as its source does"
            )

    def item(self, bracket):
        (index,) = bracket.expressions if len(bracket.expressions) == 1 else (None,)
        if isinstance(index, exp.Literal) and index.is_string:
            return
        if not isinstance(index, exp.Literal) or int(index.this) < 0:
            raise Untranslatable(f"{bracket.sql('duckdb')}: only fixed positions from the front of a list")
        bracket.replace(exp.Anonymous(this="GET", expressions=[bracket.this, index]))

    def cast(self, cast):
        """DuckDB rounds to integers, Spark cuts off."""
        if cast.to.this not in INTEGERS or isinstance(cast, exp.TryCast) or self.kind(cast.this) == "integer":
            return
        value = cast.this
        if value.find(exp.AggFunc, exp.Window):
            value = exp.Paren(this=value.copy())
        whole = sqlglot.parse_one(
            "IF(TYPEOF(v) IN ('double', 'float'), CAST(RINT(CAST(v AS DOUBLE)) AS BIGINT), "
            "IF(TYPEOF(v) LIKE 'decimal%', CAST(ROUND(CAST(v AS DECIMAL(38, 10))) AS BIGINT), CAST(v AS BIGINT)))",
            read="spark",
        )
        for column in list(whole.find_all(exp.Column)):
            column.replace(value.copy())
        cast.set("this", whole)

    def divide(self, division):
        """In doubles, as DuckDB does; by zero it gives an infinity or NaN, where Spark fails."""
        above, below = double(division.this), double(division.expression)
        plain = exp.Div(this=above, expression=below, typed=False, safe=False)
        if is_never_zero(division.expression):
            division.replace(exp.Paren(this=plain))
            return
        infinite = exp.Mul(this=above.copy(), expression=exp.cast(exp.Literal.string("Infinity"), "double"))
        is_zero = exp.EQ(this=below.copy(), expression=exp.Literal.number(0))
        division.replace(exp.If(this=is_zero, true=infinite, false=plain))

    def average(self, call):
        if not isinstance(call.this, exp.Distinct):
            call.set("this", double(call.this))

    def frameless(self, window):
        """Of the functions that don't look at a frame, Spark refuses one."""
        call = window.this.this if isinstance(window.this, exp.IgnoreNulls) else window.this
        if not isinstance(call, FRAMELESS):
            return
        window.set("spec", None)
        name, select = window.args.get("alias"), window.find_ancestor(exp.Select)
        for one in (select.args.get("windows") or []) if name is not None and select is not None else []:
            if one.name == name.name and one.args.get("spec") is not None:
                window.set("alias", None)
                for part in ("partition_by", "order"):
                    value = one.args.get(part)
                    window.set(part, [each.copy() for each in value] if isinstance(value, list) else value and value.copy())

    def named_window(self, window):
        """Spark reads `OVER w - x` as a window named `w-x`."""
        if window.args.get("alias") is not None and isinstance(window.parent, exp.Binary):
            window.replace(exp.Paren(this=window.copy()))

    def kind(self, node, depth=0):
        """'list', 'text', 'integer' or None: not known."""
        if isinstance(node, (exp.Paren, exp.Coalesce, exp.Max, exp.Min, exp.Nullif, exp.Window, exp.Filter, exp.Abs)):
            return self.kind(node.this, depth)
        if isinstance(node, (exp.Column, exp.Dot)):
            if node.name in self.types:
                return self.types[node.name]
            same = self.named.get(node.name)
            return self.kind(same, depth + 1) if same is not None and depth < 8 else None
        if isinstance(node, exp.Case):
            kinds = {self.kind(branch.args["true"], depth) for branch in node.args["ifs"]}
            if node.args.get("default") is not None:
                kinds.add(self.kind(node.args["default"], depth))
            return kinds.pop() if len(kinds) == 1 else None
        if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
            kinds = {self.kind(node.this, depth), self.kind(node.expression, depth)}
            return "integer" if kinds == {"integer"} else None
        if isinstance(node, exp.Cast) and node.to.this in INTEGERS:
            return "integer"
        if isinstance(node, exp.Literal):
            return "text" if node.is_string else "integer" if node.is_int else None
        if isinstance(node, exp.Explode) and isinstance(node.this, exp.GenerateSeries):
            return "integer"
        if isinstance(node, (exp.Length, exp.ArraySize, exp.Count, exp.RowNumber, exp.Rank, exp.IntDiv)):
            return "integer"
        return "list" if isinstance(node, LISTS) else "text" if isinstance(node, TEXTS) else None


def own(node, select):
    return node.find_ancestor(exp.Select) is select


def zipped(lists, names):
    """Lists as one of structs with members of these names; one list as it is."""
    text = "a0"
    for at in range(1, len(lists)):
        before = f"'{names[0]}', x" if at == 1 else ", ".join(f"'{name}', x.{name}" for name in names[:at])
        text = f"ZIP_WITH({text}, a{at}, (x, y) -> NAMED_STRUCT({before}, '{names[at]}', y))"
    tree = sqlglot.parse_one(text, read="spark")
    slots = {f"a{at}": one for at, one in enumerate(lists)}
    for column in list(tree.find_all(exp.Column)):
        if column.name in slots and column.parent is not None:
            column.replace(slots[column.name].copy())
    return lists[0] if len(lists) == 1 else tree


def double(node):
    return exp.cast(node.copy() if isinstance(node, (exp.Column, exp.Dot, exp.Func)) else exp.Paren(this=node.copy()), "double")


def is_never_zero(node):
    if isinstance(node, exp.Cast):
        return is_never_zero(node.this)
    if isinstance(node, exp.Nullif):
        return isinstance(node.expression, exp.Literal) and float(node.expression.this) == 0
    return isinstance(node, exp.Literal) and not node.is_string and float(node.this) != 0
