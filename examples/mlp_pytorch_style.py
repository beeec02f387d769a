"""The usual PyTorch program: only the import lines differ."""

import weft as torch
from weft import nn, optim
from weft.data import DataLoader, FashionMNIST


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )

    def forward(self, x):
        x = self.flatten(x)
        return self.linear_relu_stack(x)


def train(dataloader, model, loss_fn, optimizer):
    model.train()
    for batch, (x, y) in enumerate(dataloader):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        if batch % 200 == 0:
            print(f"loss: {loss.item():>7f}  [{batch * len(x):>5d}/{len(dataloader.dataset):>5d}]")


def test(dataloader, model, loss_fn):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for x, y in dataloader:
            pred = model(x)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).float().sum().item()
    size = len(dataloader.dataset)
    print(f"accuracy: {100 * correct / size:>0.1f}%, loss: {test_loss / len(dataloader):>8f}\n")


def main(epochs=2):
    torch.manual_seed(0)
    train_dataloader = DataLoader(FashionMNIST(train=True), batch_size=64, shuffle=True)
    test_dataloader = DataLoader(FashionMNIST(train=False), batch_size=64)
    model = NeuralNetwork()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        print(f"epoch {epoch + 1}")
        train(train_dataloader, model, loss_fn, optimizer)
        test(test_dataloader, model, loss_fn)


if __name__ == "__main__":
    main()
