"""Other wordings of the same questions in Vietnamese: none of their templates is in any pair.

The first keeps most words and asks in other templates; the second and the third have other words
for things, signs and colours as well, the third with some of the south ("trái banh") and shorter.
"""

from examples.wording import VIETNAMESE, Wording

OTHER_WORDINGS = (
    Wording(
        questions={
            ("thing", "name"): "Khi {seen} hiện lên trên bảng thì {told} chạy qua có màu gì?",
            ("thing", "colour"): "Lúc bảng hiển thị {seen}, vật gì màu {told} chạy ngang qua?",
            ("sign", "name"): "Khi {seen} chạy qua thì {told} trên bảng có màu gì?",
            ("sign", "colour"): "Lúc {seen} chạy ngang qua, hình gì màu {told} đang sáng?",
        },
        names=dict(VIETNAMESE.names)
        | {"car": "xe ô tô", "triangle": "tam giác", "heart": "hình trái tim"},
        colours=dict(VIETNAMESE.colours) | {"green": "xanh lá cây"},
        both="{name} {colour}",
    ),
    Wording(
        questions={
            ("thing", "name"): "Cho biết màu của {told} xuất hiện cùng lúc với {seen} trên bảng.",
            (
                "thing",
                "colour",
            ): "Phương tiện hay đồ vật nào có màu {told} đi ngang khi {seen} được bật sáng?",
            ("sign", "name"): "Bảng đang bật {told} màu nào vào lúc có {seen} chạy tới?",
            ("sign", "colour"): "Biểu tượng màu {told} nào được thắp sáng lúc có {seen} chạy tới?",
        },
        names={
            "car": "xe hơi",
            "truck": "xe chở hàng",
            "bus": "xe bus",
            "bicycle": "chiếc xe đạp",
            "tractor": "máy cày",
            "ball": "trái bóng",
            "square": "ô vuông",
            "ring": "hình vành khuyên",
            "triangle": "tam giác",
            "cross": "dấu cộng",
            "arrow": "hình mũi tên",
            "heart": "hình tim",
        },
        colours={
            "red": "đỏ tươi",
            "green": "xanh lá cây",
            "blue": "xanh da trời",
            "yellow": "vàng tươi",
            "purple": "tím",
            "white": "trắng",
        },
        both="một {name} có màu {colour}",
    ),
    Wording(
        questions={
            ("thing", "name"): "Thấy {seen} trên bảng thì {told} nào vừa chạy ngang?",
            ("thing", "colour"): "Cái gì màu {told} vừa chạy ngang lúc có {seen} trên bảng?",
            ("sign", "name"): "{seen} vừa chạy ngang thì trên bảng là {told} màu gì?",
            ("sign", "colour"): "{seen} vừa chạy ngang thì trên bảng là hình gì màu {told}?",
        },
        names={
            "car": "xe con",
            "truck": "xe tải chở hàng",
            "bus": "xe khách",
            "bicycle": "xe đạp",
            "tractor": "xe máy cày",
            "ball": "trái banh",
            "square": "khối vuông",
            "ring": "cái vòng",
            "triangle": "hình ba cạnh",
            "cross": "dấu thập",
            "arrow": "dấu mũi tên",
            "heart": "quả tim",
        },
        colours={
            "red": "đỏ",
            "green": "xanh lục",
            "blue": "xanh lam",
            "yellow": "vàng",
            "purple": "tím",
            "white": "trắng",
        },
        both="{name} màu {colour}",
    ),
)
