"""The skeleton encoders: sizes of the published networks, their building blocks, and what every encoder owes its callers."""

import pytest
import torch
import torch.nn.functional as F

from tdsm.backbones.nets import STGCN, ShiftGCN, build_encoder
from tdsm.backbones.nets.shift_gcn import JointShift, TemporalShift
from tdsm.backbones.nets.st_gcn import spatial_partition
from tdsm.config import EncoderConfig
from tdsm.data.layouts import KINECT_20, LAYOUTS, NTU_25, OPENPOSE_18, layout_named
from tdsm.util.errors import InputError

both = pytest.mark.parametrize("kind", [ShiftGCN, STGCN])
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(kind, layout=KINECT_20, bodies=2, classes=3):
    return kind(layout, bodies, classes, width=4, features=8)


def clips(count=2, frames=16, layout=KINECT_20, bodies=2):
    return torch.randn(count, bodies, frames, len(layout), layout.dims)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("kind", "count"), [(ShiftGCN, 690_291), (STGCN, 3_098_832)])
def test_sizes_are_those_of_the_published_networks_on_ntu(kind, count):
    assert parameters(kind(NTU_25, bodies=2, classes=60)) == count
    assert parameters(kind(NTU_25, bodies=2, classes=61)) == count + 257


def test_shift_gcn_without_its_head_has_the_published_size():
    encoder = ShiftGCN(NTU_25, bodies=2, classes=60)
    assert parameters(encoder) - parameters(encoder.head) == 674_871


@pytest.mark.parametrize("offset", [-3, -1, 0, 2, 20])
def test_a_whole_offset_rolls_and_fills_with_zeros(offset):
    shift, x = TemporalShift(4), torch.randn(2, 9, 5, 4)
    torch.nn.init.constant_(shift.offset, offset)
    expected = torch.zeros_like(x)
    for frame in range(9):
        if 0 <= frame + offset < 9:
            expected[:, frame] = x[:, frame + offset]
    torch.testing.assert_close(shift(x), expected)


def test_each_channel_has_its_own_fractional_offset():
    shift, x = TemporalShift(2), torch.randn(1, 8, 1, 2)
    shift.offset.data = torch.tensor([0.25, -1.75])
    out = shift(x)[0, :, 0]
    torch.testing.assert_close(out[3, 0], 0.75 * x[0, 3, 0, 0] + 0.25 * x[0, 4, 0, 0])
    torch.testing.assert_close(out[3, 1], 0.75 * x[0, 1, 0, 1] + 0.25 * x[0, 2, 0, 1])


@pytest.mark.parametrize("frames", [8, 9])
def test_a_stride_reads_half_a_frame_later_and_rounds_up(frames):
    shift, x = TemporalShift(3, stride=2), torch.randn(2, frames, 4, 3)
    torch.nn.init.zeros_(shift.offset)
    later = F.pad(x[:, 1:], (0, 0, 0, 0, 0, 1))
    torch.testing.assert_close(shift(x), ((x + later) / 2)[:, ::2])


def test_offsets_get_the_slope_of_the_interpolation():
    shift, x = TemporalShift(5).double(), torch.randn(2, 7, 3, 5, dtype=torch.float64)
    shift.offset.data = torch.tensor([-0.9, -0.4, 0.0, 0.3, 0.6], dtype=torch.float64)
    weights = torch.randn(2, 7, 3, 5, dtype=torch.float64)
    (shift(x) * weights).sum().backward()
    slope, step = shift.offset.grad.clone(), 1e-6
    for channel in range(5):
        before = (shift(x) * weights).sum().item()
        shift.offset.data[channel] += step
        torch.testing.assert_close((shift(x) * weights).sum().item(), before + step * slope[channel].item(), rtol=0, atol=1e-9)


def test_the_sign_rule_keeps_only_the_sign():
    plain, sign = TemporalShift(6), TemporalShift(6, sign_gradient=True)
    sign.load_state_dict(plain.state_dict())
    x = torch.randn(2, 9, 5, 6)
    x[..., 0] = 0
    torch.testing.assert_close(plain(x), sign(x))
    for shift in (plain, sign):
        shift(x).square().sum().backward()
    assert sign.offset.grad[0] == pytest.approx(1e-4)
    torch.testing.assert_close(sign.offset.grad[1:], 0.01 * plain.offset.grad[1:].sign())


@every_layout
def test_shift_in_then_shift_out_is_the_identity(layout):
    joints, channels = len(layout), 2 * len(layout) + 3
    x = torch.randn(2, 3, joints, channels)
    shifted = JointShift(joints, channels, 1)(x)
    torch.testing.assert_close(JointShift(joints, channels, -1)(shifted), x)
    joint, channel = 4, joints + 7
    torch.testing.assert_close(shifted[..., joint, channel], x[..., (joint + channel) % joints, channel])


def test_the_gradient_of_a_joint_shift_is_the_reverse_shift():
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(JointShift(5, 7, 1), (x,))


@every_layout
def test_the_three_kinds_of_neighbour(layout):
    itself, others, nearer = spatial_partition(layout)
    torch.testing.assert_close((itself + others + nearer).sum(0), torch.ones(len(layout)))
    assert torch.equal(itself > 0, torch.eye(len(layout)) > 0)
    edges = {(a, b) for bone in layout.bones for a, b in (bone, bone[::-1])}
    assert {tuple(edge) for edge in (others + nearer).nonzero().tolist()} == edges
    assert not ((others > 0) & (nearer > 0)).any()


@pytest.mark.parametrize(("name", "centre"), [("ntu-25", 20), ("kinect-20", 2), ("openpose-18", 1), ("coco-17", 0)])
def test_directions_are_split_only_around_the_centre(name, centre):
    layout = layout_named(name)
    edges = {(a, b) for bone in layout.bones for a, b in (bone, bone[::-1])}
    hops = {centre: 0} | {b: 1 for a, b in edges if a == centre}
    split = {(a, b) for a, b in edges if hops.get(a, 2) < hops.get(b, 2)}
    assert {tuple(edge) for edge in spatial_partition(layout)[2].nonzero().tolist()} == split


def test_st_gcn_gathers_before_it_multiplies_with_the_same_result():
    space = small(STGCN).units[1].space
    torch.nn.init.uniform_(space.importance)
    x = torch.randn(2, 5, 20, 4)
    multiplied = space.linear(x).unflatten(3, (3, 4))
    expected = torch.einsum("ntvkc,kvw->ntwc", multiplied, space.adjacency * space.importance)
    torch.testing.assert_close(space(x), expected)


@both
@every_layout
def test_every_layout_and_number_of_bodies(kind, layout):
    for bodies in (1, 2):
        encoder = small(kind, layout, bodies).eval()
        assert encoder(clips(3, 8, layout, bodies)).shape == (3, 3)


@both
@pytest.mark.parametrize("frames", [1, 30, 64, 300])
def test_any_length_gives_a_quarter_of_its_frames_rounded_up(kind, frames):
    encoder = small(kind)
    assert encoder.tokens(clips(frames=frames)).shape == (2, -(-frames // 4) * 20, 8)


@both
def test_the_feature_is_the_mean_of_the_tokens(kind):
    encoder, x = small(kind).eval(), clips()
    torch.testing.assert_close(encoder.pool(x), encoder.tokens(x).mean(1))
    torch.testing.assert_close(encoder(x), encoder.head(encoder.pool(x)))


def test_tokens_stand_frame_by_frame():
    encoder = small(STGCN, bodies=1).eval()
    x = clips(1, 64, bodies=1)
    moved = x.clone()
    moved[:, :, 48:] += 1
    change = (encoder.tokens(moved) - encoder.tokens(x)).abs().sum(2).unflatten(1, (16, 20)).sum(2)[0]
    assert change[0] < 1e-4 < change[15]


@both
def test_a_clip_in_eval_mode_does_not_see_its_batch(kind):
    encoder, x = small(kind), clips(5)
    encoder(x)
    encoder.eval()
    torch.testing.assert_close(encoder.pool(x)[3:4], encoder.pool(x[3:4]))


@both
def test_an_absent_person_is_not_a_copy(kind):
    encoder, x = small(kind).eval(), clips()
    zeros, copied = x.clone(), x.clone()
    zeros[:, 1], copied[:, 1] = 0, x[:, 0]
    assert not torch.allclose(encoder.pool(zeros), encoder.pool(copied), atol=1e-3)


def test_st_gcn_does_not_care_who_is_first():
    encoder, x = small(STGCN).eval(), clips()
    torch.testing.assert_close(encoder.tokens(x), encoder.tokens(x.flip(1)))


@both
def test_gradient_reaches_every_parameter(kind):
    encoder = small(kind)
    encoder(clips(4)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        if "offset" in name or "importance" in name or "mask" in name:
            assert parameter.grad.abs().sum() > 0, name


@both
def test_twenty_steps_lower_the_loss(kind):
    encoder, labels = kind(KINECT_20, 1, 2, width=8, features=16), torch.arange(16) % 2
    x = torch.randn(16, 1, 16, 20, 3)
    x[labels == 1, :, :, 7, 1] += torch.linspace(0, 3, 16)
    optimiser = torch.optim.SGD(encoder.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(encoder(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@both
def test_a_saved_state_gives_the_same_features(kind):
    trained, fresh, x = small(kind), small(kind), clips()
    trained(x)
    fresh.load_state_dict(trained.state_dict())
    torch.testing.assert_close(fresh.eval().pool(x), trained.eval().pool(x))


@both
@pytest.mark.parametrize("shape", [(2, 2, 16, 25, 3), (2, 1, 16, 20, 3), (2, 2, 16, 20, 2)])
def test_a_wrong_shape_is_one_clear_line(kind, shape):
    with pytest.raises(InputError, match=r"clips: shape .* is not \(N, 2, T, 20, 3\); .*kinect-20"):
        small(kind)(torch.zeros(shape))


@pytest.mark.parametrize(("name", "kind"), [("shift-gcn", ShiftGCN), ("st-gcn", STGCN)])
def test_the_config_chooses(name, kind):
    encoder = build_encoder(EncoderConfig(kind=name, width=4, features=12), OPENPOSE_18, bodies=1, classes=7)
    assert isinstance(encoder, kind)
    assert encoder.head.weight.shape == (7, 12)
