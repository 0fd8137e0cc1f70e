"""Update rules on a batch of runs: gradient descent, one adaptive rate for all parameters, Adam.

Parameters and gradients are tensors (members, parameters); every member has its own learning rate. A rule changes the
parameters in place. Rules are tensor programs without autograd, so that they run in any floating dtype on any device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class Rule(Protocol):
    """An update rule with a state for every member."""

    def start(self, parameters: torch.Tensor) -> dict[str, torch.Tensor]:
        """The state before the first step; the first axis of every tensor counts the members."""
        ...

    def step(
        self, parameters: torch.Tensor, gradient: torch.Tensor, state: dict[str, torch.Tensor], count: int
    ) -> torch.Tensor | None:
        """Step number ``count`` (from 1), in place. Returns the rate of every member where there is just one rate for
        all its parameters, else None."""
        ...


def _rates(rate: Any, parameters: torch.Tensor) -> torch.Tensor:
    """One learning rate for every member, from a number or a sequence."""
    import torch

    given = torch.as_tensor(rate, dtype=parameters.dtype, device=parameters.device)
    return given.expand(len(parameters)).clone()


class GradientDescent:
    """θ <- θ - η g. rate: η, one number or one for every member."""

    def __init__(self, rate: Any) -> None:
        self.rate = rate

    def start(self, parameters: torch.Tensor) -> dict[str, torch.Tensor]:
        """The rates."""
        return {"rate": _rates(self.rate, parameters)}

    def step(
        self, parameters: torch.Tensor, gradient: torch.Tensor, state: dict[str, torch.Tensor], count: int
    ) -> torch.Tensor:
        """One step; returns η."""
        parameters.addcmul_(gradient, state["rate"][:, None], value=-1)
        return state["rate"]


class ScalarAdaptive:
    """θ <- θ - η_t g, η_t = η / (sqrt(v_t) + offset): one rate for all parameters of a member.

    v_t is the bias-corrected moving average of ||g||^2, g the gradient by all parameters: RMSprop with all parameters
    in one group, as in the experiments of RC20 (Appendix F.2) and RMC21 (Appendix B.2). As every step is a step of
    gradient descent of some size, what holds for gradient descent with steps of any sizes holds here.
    """

    def __init__(self, rate: Any = 0.01, *, decay: float = 0.99, offset: float = 1e-6) -> None:
        self.rate, self.decay, self.offset = rate, decay, offset

    def start(self, parameters: torch.Tensor) -> dict[str, torch.Tensor]:
        """Rates, and no average yet."""
        rates = _rates(self.rate, parameters)
        return {"rate": rates, "average": rates.new_zeros(len(rates))}

    def step(
        self, parameters: torch.Tensor, gradient: torch.Tensor, state: dict[str, torch.Tensor], count: int
    ) -> torch.Tensor:
        """One step; returns η_t."""
        import torch

        squares = torch.linalg.vector_norm(gradient, dim=1).square_()
        average = state["average"].mul_(self.decay).add_(squares, alpha=1 - self.decay)
        rate = state["rate"] / ((average / (1 - self.decay**count)).sqrt_() + self.offset)
        parameters.addcmul_(gradient, rate[:, None], value=-1)
        return rate


class Adam:
    """Adam (Kingma and Ba 2015, Algorithm 1) with its usual decay rates.

    epsilon: added to the square root, one number or one for every member. What is usual differs: 1e-8 in the paper and
    in PyTorch, 1e-7 in Keras.
    """

    def __init__(self, rate: Any, *, epsilon: Any = 1e-8, decays: tuple[float, float] = (0.9, 0.999)) -> None:
        self.rate, self.epsilon, self.decays = rate, epsilon, decays

    def start(self, parameters: torch.Tensor) -> dict[str, torch.Tensor]:
        """Rates, and no averages yet."""
        import torch

        first, second = torch.zeros_like(parameters), torch.zeros_like(parameters)
        rates, epsilon = _rates(self.rate, parameters), _rates(self.epsilon, parameters)
        return {"rate": rates, "epsilon": epsilon, "first": first, "second": second}

    def step(
        self, parameters: torch.Tensor, gradient: torch.Tensor, state: dict[str, torch.Tensor], count: int
    ) -> None:
        """One step."""
        a, b = self.decays
        first = state["first"].lerp_(gradient, 1 - a)
        second = state["second"].mul_(b).addcmul_(gradient, gradient, value=1 - b)
        size = (second / (1 - b**count)).sqrt_().add_(state["epsilon"][:, None])
        parameters.addcdiv_(first * state["rate"][:, None], size, value=-1 / (1 - a**count))


__all__ = ["Adam", "GradientDescent", "Rule", "ScalarAdaptive"]
