"""How many conservation laws there are, exactly, and that no polynomial one is missing.

A count rests on two ranks modulo a prime: brackets of the gradient fields leave room for no more laws, and laws that
are identities are that many (see docs/theory-laws.md). The certificate holds the prime, the point, the brackets and the
laws; the kernel replays it. Controls claim a law more, or a law fewer.
"""

from theorytest import Source, Statement, control, proof
from theorytest.laws import LawCount, LawSpace, derive_laws, parse

LINEAR = parse("linear:3,4,2").map
RELU = parse("relu:3,5,3+bias").map
TUCKER = parse("tucker:dims=3x3x3,ranks=2x2x2").map
DEEP_TUCKER = parse("deep-tucker:dims=2x2x2,depth=2").map
SYMMETRIC = parse("symmetric:n=2,rank=3").map
CHAIN = parse("linear:1,2,2,1").map


def exactly(model, number):
    return LawCount(model, number, number)


def what_is_true(derive):
    return derive_laws(derive, derive.statement.claim)


linear = Statement(
    label="LAWS-Count-Linear",
    title="A linear network of widths 3, 4, 2 has exactly 10 independent laws",
    source=Source("laws", "Theorem 1"),
    claim=exactly(LINEAR, 10),
    scope="U V with U of shape 3 x 4 and V of shape 4 x 2, all losses",
)
linear_space = Statement(
    label="LAWS-Space-Linear",
    title="The entries of U^T U - V V^T span all conserved polynomials of degree up to 2",
    source=Source("laws", "Theorem 2"),
    claim=LawSpace(LINEAR, 2, 10),
    scope="U V with U of shape 3 x 4 and V of shape 4 x 2, all losses",
)
relu = Statement(
    label="LAWS-Count-ReLU",
    title="A ReLU network of widths 3, 5, 3 with biases has exactly one law for each hidden neuron",
    source=Source("laws", "Theorem 1"),
    claim=exactly(RELU, 5),
    scope="its path parameterization, all losses",
)
tucker = Statement(
    label="LAWS-Count-Tucker",
    title="A Tucker factorization of a 3x3x3 tensor with 2x2x2 core has exactly 9 independent laws",
    source=Source("laws", "Tucker"),
    claim=exactly(TUCKER, 9),
    scope="3x3x3 tensors, 2x2x2 cores, all losses",
)
deep_tucker = Statement(
    label="LAWS-Count-DeepTucker",
    title="A deep Tucker factorization of a 2x2x2 tensor with a vector and a matrix in each column has 24",
    source=Source("laws", "deep Tucker"),
    claim=exactly(DEEP_TUCKER, 24),
    scope="2x2x2 tensors, depth 2, all losses",
)
symmetric = Statement(
    label="LAWS-Count-Symmetric",
    title="U U^T with U of shape 2 x 3 has exactly 2 independent laws",
    source=Source("laws", "a family with a gap"),
    claim=exactly(SYMMETRIC, 2),
    scope="U of shape 2 x 3, all losses",
)
symmetric_space = Statement(
    label="LAWS-Space-Symmetric",
    title="U U^T with U of shape 2 x 3 conserves no polynomial of degree up to 4",
    source=Source("laws", "a family with a gap"),
    claim=LawSpace(SYMMETRIC, 4, 0),
    scope="U of shape 2 x 3, all losses",
)
chain = Statement(
    label="LAWS-Count-Chain",
    title="A deep linear network between two scalars, of widths 1, 2, 2, 1, has exactly 7 independent laws",
    source=Source("laws", "a family with a gap"),
    claim=exactly(CHAIN, 7),
    scope="widths 1, 2, 2, 1, all losses",
)
chain_space = Statement(
    label="LAWS-Space-Chain",
    title="Only 6 of these 7 can be polynomials of degree up to 2",
    source=Source("laws", "a family with a gap"),
    claim=LawSpace(CHAIN, 2, 6),
    scope="widths 1, 2, 2, 1, all losses",
)

proof_linear = proof(linear)(what_is_true)
proof_linear_space = proof(linear_space)(what_is_true)
proof_relu = proof(relu)(what_is_true)
proof_tucker = proof(tucker)(what_is_true)
proof_deep_tucker = proof(deep_tucker)(what_is_true)
proof_symmetric = proof(symmetric)(what_is_true)
proof_symmetric_space = proof(symmetric_space)(what_is_true)
proof_chain = proof(chain)(what_is_true)
proof_chain_space = proof(chain_space)(what_is_true)


@control(linear, breaks="count", contrary=what_is_true)
def linear_one_more():
    return exactly(LINEAR, 11)


@control(linear, breaks="count", contrary=what_is_true)
def linear_one_fewer():
    return exactly(LINEAR, 9)


@control(linear_space, breaks="dimension", contrary=what_is_true)
def linear_space_one_more():
    return LawSpace(LINEAR, 2, 11)


@control(linear_space, breaks="dimension", contrary=what_is_true)
def linear_space_one_fewer():
    return LawSpace(LINEAR, 2, 9)


@control(relu, breaks="biases", contrary=what_is_true)
def relu_laws_without_biases():
    """Without biases each neuron still has one law, not two."""
    return exactly(parse("relu:3,5,3").map, 10)


@control(relu, breaks="count", contrary=what_is_true)
def relu_one_more():
    return exactly(RELU, 6)


@control(relu, breaks="count", contrary=what_is_true)
def relu_one_fewer():
    return exactly(RELU, 4)


@control(tucker, breaks="count", contrary=what_is_true)
def tucker_norms_alone():
    """The squared norms of the slices alone would be 6."""
    return LawCount(TUCKER, 0, 6)


@control(tucker, breaks="count", contrary=what_is_true)
def tucker_one_more():
    return exactly(TUCKER, 10)


@control(deep_tucker, breaks="count", contrary=what_is_true)
def deep_tucker_one_more():
    return exactly(DEEP_TUCKER, 25)


@control(deep_tucker, breaks="count", contrary=what_is_true)
def deep_tucker_one_fewer():
    return exactly(DEEP_TUCKER, 23)


@control(symmetric, breaks="count", contrary=what_is_true)
def symmetric_no_law():
    """No polynomial law does not mean no law."""
    return exactly(SYMMETRIC, 0)


@control(symmetric, breaks="width", contrary=what_is_true)
def symmetric_square():
    """With as many columns as rows there is no law at all."""
    return LawCount(parse("symmetric:n=2,rank=2").map, 1, 4)


@control(symmetric_space, breaks="dimension", contrary=what_is_true)
def symmetric_one_polynomial():
    return LawSpace(SYMMETRIC, 4, 1)


@control(chain, breaks="count", contrary=what_is_true)
def chain_quadratic_laws_are_all():
    """The balancedness matrices do not account for all laws."""
    return LawCount(CHAIN, 0, 6)


@control(chain_space, breaks="dimension", contrary=what_is_true)
def chain_all_are_quadratic():
    return LawSpace(CHAIN, 2, 7)
